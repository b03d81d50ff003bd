//! Schemas out of `create collection`, and back.

use foretaste::lang::At;
use foretaste::{Analyser, Collection, Language, Schema, Variance};
use foretaste_shell::lang::{Create, Item, LANGUAGES, Name, Statement, VectorKind, Words};

/// The schema that is asked for.
pub fn of(items: &[Item]) -> Schema {
    let main = items.iter().find_map(|item| match item {
        Item::Vector { name: None, kind } => Some(kind),
        _ => None,
    });
    // The parser lets none through without a vector; a dimension of 0 is refused by the engine.
    let schema = main.map_or_else(|| Schema::new(0, foretaste::Metric::Cosine), vector);
    items.iter().fold(schema, |schema, item| match item {
        Item::Vector { name: None, .. } => schema,
        Item::Vector { name: Some(name), kind } => schema.field(name, vector(kind)),
        Item::Tokens { dims, element } => schema.tokens(*dims, element.unwrap_or(foretaste::Element::F32)),
        Item::Column { path, kind } => schema.column(path, *kind),
        Item::FullText { path, words } => schema.text_by(path, analyser(*words)),
    })
}

/// The schema of one vector field.
pub fn vector(kind: &VectorKind) -> Schema {
    let mut schema = Schema::new(kind.dims, kind.metric);
    if !kind.levels.is_empty() {
        schema = schema.levels(kind.levels.iter().copied());
    }
    schema = kind.element.map_or(schema.clone(), |element| schema.element(element));
    schema = kind.variance.map_or(schema.clone(), |variance| schema.variance(variance));
    schema = kind.index.map_or(schema.clone(), |index| schema.index(index));
    schema = kind.rotation.map_or(schema.clone(), |rotation| schema.rotation(rotation));
    schema = kind.recipe.map_or(schema.clone(), |(recipe, output)| schema.recipe(recipe, output));
    kind.space.as_ref().map_or(schema.clone(), |space| schema.space(space.clone()))
}

/// How texts become words.
pub fn analyser(words: Words) -> Analyser {
    let analyser = Analyser::default();
    let analyser = words.language.map_or(analyser, |language| analyser.stemmed(language));
    if words.accents { analyser.with_accents() } else { analyser }
}

/// What `analyser` was made of.
fn words(of: Analyser) -> Words {
    let languages = LANGUAGES.iter().map(|name| Language::parse(name)).chain([None]);
    let mut all = languages.flat_map(|language| [false, true].map(|accents| Words { language, accents }));
    all.find(|words| analyser(*words) == of).unwrap_or_default()
}

/// The statement that creates such a collection.
pub fn statement(collection: &Collection) -> Statement {
    let schema = collection.schema();
    let mut items = vec![Item::Vector { name: None, kind: kind(&schema) }];
    for (name, schema) in collection.vector_fields() {
        items.push(Item::Vector { name: Some(name), kind: kind(&schema) });
    }
    if let Some((dims, element)) = schema.token_kind() {
        items.push(Item::Tokens { dims, element: Some(element) });
    }
    let columns = schema.columns().iter();
    items.extend(columns.map(|column| Item::Column { path: column.path.clone(), kind: column.kind }));
    for field in schema.text_fields() {
        items.push(Item::FullText { path: field.path.clone(), words: words(field.analyser) });
    }
    Statement::Create(Create { name: name(collection), if_not_exists: false, items })
}

/// Its name, as a statement has it.
pub fn name(collection: &Collection) -> Name {
    Name { text: collection.name().to_string(), at: At(0) }
}

/// What differs from a plain field of this metric and dimension.
pub fn kind(schema: &Schema) -> VectorKind {
    let plain = Schema::new(schema.dim(), schema.metric());
    let mut levels = schema.level_dims();
    levels.retain(|level| *level < schema.dim());
    VectorKind {
        metric: schema.metric(),
        dims: schema.dim(),
        levels,
        element: Some(schema.element_type()).filter(|element| *element != plain.element_type()),
        variance: Some(schema.variance_kind()).filter(|variance| *variance != Variance::None),
        index: Some(schema.index_spec()).filter(|index| *index != plain.index_spec()),
        rotation: Some(schema.rotation_kind()).filter(|rotation| *rotation != plain.rotation_kind()),
        recipe: schema.vector_recipe(),
        space: schema.vector_space().cloned(),
    }
}
