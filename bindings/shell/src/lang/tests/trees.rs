//! Printing any statement and parsing the text gives the same statement; any text is parsed without a panic.

use foretaste::lang::ColumnType;
use foretaste::lang::{At, Filter};
use foretaste::{
    Element, Fusion, HnswParams, IvfParams, Key, Language, Measure, Method as Fit, Metric, Recipe,
    RotationKind, Space, Spec, Variance,
};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::super::*;

fn name() -> impl Strategy<Value = Name> {
    prop_oneof!["[a-z_][a-z0-9_]{0,6}", "k|near|where|Vector|tokens|levels", "[ -~é\"]{1,6}"]
        .prop_map(|text| Name { text, at: At(0) })
}

fn path() -> impl Strategy<Value = String> {
    prop_oneof!["[b-d]x{0,3}", "[b-d]\\.e\\[[0-9]\\]", "\"[ -!#-~]{1,4}\"(\\.f)?"].prop_map(String::from)
}

fn number() -> impl Strategy<Value = f32> {
    prop_oneof![Just(0.0), -1.0f32..1.0, any::<f32>().prop_filter("finite", |x| x.is_finite())]
}

fn vector() -> impl Strategy<Value = Vec<f32>> {
    vec(number(), 1..4)
}

fn matrix() -> impl Strategy<Value = Vec<Vec<f32>>> {
    vec(vec(number(), 2), 1..3)
}

fn id() -> impl Strategy<Value = Key> {
    prop_oneof![any::<i64>().prop_map(Key::Int), "[ -~é'\n]{0,6}".prop_map(Key::from)]
}

fn index() -> impl Strategy<Value = Spec> {
    let hnsw = (any::<u32>(), any::<u32>(), of(any::<u8>()))
        .prop_map(|(m, ef_construction, edge_bits)| Spec::Hnsw(HnswParams { m, ef_construction, edge_bits }));
    let ivf = of(any::<u32>()).prop_map(|nlist| Spec::Ivf(IvfParams { nlist }));
    prop_oneof![Just(Spec::Auto), Just(Spec::Flat), ivf, hnsw, Just(Spec::Hnsw(HnswParams::default()))]
}

fn rotation() -> impl Strategy<Value = RotationKind> {
    select(&[RotationKind::None, RotationKind::Pca][..])
}

fn words() -> impl Strategy<Value = Words> {
    (of(select(LANGUAGES)), any::<bool>())
        .prop_map(|(name, accents)| Words { language: name.and_then(Language::parse), accents })
}

fn a_space() -> impl Strategy<Value = Space> {
    ("[a-zé@'/]{1,6}", "[0-9.']{1,3}").prop_map(|(model, version)| Space::new(model, version))
}

fn space() -> impl Strategy<Value = Option<Space>> {
    of(a_space())
}

fn element() -> impl Strategy<Value = Element> {
    select(&[Element::F32, Element::F16, Element::BF16, Element::I8][..])
}

fn kind() -> impl Strategy<Value = VectorKind> {
    let variances = [Variance::Scalar, Variance::Diagonal, Variance::DiagonalCompact];
    (
        select(&[Metric::Cosine, Metric::Dot, Metric::L2][..]),
        1..5000_usize,
        vec(1..5000_usize, 0..3),
        of(element()),
        of(select(variances.to_vec())),
        of(index()),
        of(rotation()),
        of(1..5000_usize),
        space(),
    )
        .prop_map(|(metric, dims, levels, element, variance, index, rotation, output, space)| {
            VectorKind {
                metric,
                dims,
                levels,
                element,
                variance,
                index,
                rotation,
                recipe: output.map(|output| (Recipe::LayerNorm, output)),
                space,
            }
        })
}

fn item() -> impl Strategy<Value = Item> {
    let types = [ColumnType::Bool, ColumnType::Int, ColumnType::Float, ColumnType::Str];
    prop_oneof![
        (name(), kind()).prop_map(|(name, kind)| Item::Vector { name: Some(name.text), kind }),
        (1..99_usize, of(element())).prop_map(|(dims, element)| Item::Tokens { dims, element }),
        (path(), select(types.to_vec())).prop_map(|(path, kind)| Item::Column { path, kind }),
        (path(), words()).prop_map(|(path, words)| Item::FullText { path, words }),
    ]
}

fn row() -> impl Strategy<Value = Row> {
    let part = prop_oneof![
        "[ -~é]{0,5}".prop_map(|text| Part::Payload(json!({"a": text, "b": [1, {"}": "'\";"}]}))),
        (name(), vector()).prop_map(|(name, vector)| Part::Field { name: name.text, vector }),
        vector().prop_map(Part::Variance),
        matrix().prop_map(Part::Tokens),
    ];
    (id(), vector(), vec(part, 0..3)).prop_map(|(id, vector, parts)| Row { at: At(0), id, vector, parts })
}

fn source() -> impl Strategy<Value = Source> {
    let target = prop_oneof![
        vector().prop_map(Target::Vector),
        id().prop_map(Target::Row),
        ("[ -~]{0,5}", of(any::<u64>())).prop_map(|(path, row)| Target::File { path, row }),
        "[ -~]{0,5}".prop_map(Target::Text),
    ];
    let method = prop_oneof![
        (target, space(), of(name())).prop_map(|(target, space, field)| Method::Near {
            target,
            space,
            field
        }),
        (path(), "[ -~]{0,5}").prop_map(|(path, words)| Method::Match { path, words }),
    ];
    (method, of(0.0..9.0)).prop_map(|(method, weight)| Source { at: At(0), method, weight })
}

fn stage() -> impl Strategy<Value = Stage> {
    let measures =
        [Measure::Wasserstein, Measure::Bhattacharyya, Measure::LogLikelihood, Measure::ExpectedLikelihood];
    prop_oneof![
        vec((1..999_usize, 1..999_usize), 1..3).prop_map(Stage::Levels),
        (0.01..1.0).prop_map(Stage::AutoLevels),
        of(1..99_usize).prop_map(|among| Stage::Uncertainty { among }),
        (0..999_usize, of(1..99_usize), any::<bool>()).prop_map(|(budget, batch, adaptive)| Stage::Scored {
            budget,
            batch,
            adaptive
        }),
        (0.0..1.0, of(1..99_usize)).prop_map(|(lambda, among)| Stage::Mmr { lambda, among }),
        prop_oneof![Just(1.0), 0.0..2.0].prop_map(Stage::Csd),
        select(measures.to_vec()).prop_map(Stage::Gaussian),
        (matrix(), of(1..99_usize)).prop_map(|(tokens, among)| Stage::MaxSim { tokens, among }),
    ]
}

fn lists() -> impl Strategy<Value = Lists> {
    let others = [Fusion::ZScore, Fusion::MinMax, Fusion::Borda, Fusion::Copeland, Fusion::Kemeny];
    let fusion = prop_oneof![
        prop_oneof![Just(60.0), 0.0..99.0].prop_map(|kappa| Fusion::Rrf { kappa }),
        (0..99_usize).prop_map(|finalists| Fusion::RunOff { finalists }),
        select(others.to_vec()),
    ];
    (fusion, of(1..999_usize), of(1..9_usize)).prop_map(|(fusion, depth, votes)| Lists {
        fusion,
        depth,
        votes,
    })
}

/// A path of a filter: its names may be words of the shell, words of filters, or need quotes.
fn operand() -> impl Strategy<Value = String> {
    let words =
        ["k", "near", "where", "fields", "exact", "and", "not", "in", "limit", "x", "a b", "é\"", "'", ";"];
    let name = (select(words.to_vec()), any::<bool>()).prop_map(|(word, quote)| {
        let plain = word.chars().all(char::is_alphanumeric) && !["and", "not", "in"].contains(&word);
        if plain && !quote { word.to_string() } else { format!("\"{}\"", word.replace('"', "\"\"")) }
    });
    let rest =
        vec(prop_oneof![name.clone().prop_map(|name| format!(".{name}")), Just("[3]".to_string())], 0..3);
    prop_oneof![(name, rest).prop_map(|(name, rest)| name + &rest.concat()), Just("$id".to_string())]
}

fn filter() -> impl Strategy<Value = Filter> {
    let literal = select(&["1", "-2.5e9", "true", "'k 10; near'", "'it''s'", "'-- /*'"][..]);
    let test = (operand(), literal.clone(), literal, 0..9).prop_map(|(path, a, b, form)| {
        let id = path == "$id";
        match form {
            0 if !id => format!("exists {path}"),
            1 if !id => format!("{path} is not null"),
            2 if !id => format!("{path} between 1 and 2"),
            3 if !id => format!("{path} like 'k%'"),
            4 if !id => path,
            5 => format!("{path} in ({a}, {b})"),
            6 => format!("{path} not in ({a})"),
            7 => format!("{a} = {path}"),
            _ => format!("{path} != {a}"),
        }
    });
    let text = test.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            (inner.clone(), select(&["and", "or"][..]), inner.clone())
                .prop_map(|(a, word, b)| format!("({a}) {word} ({b})")),
            inner.prop_map(|a| format!("not ({a})")),
        ]
    });
    // Not every such text is a filter: an id is no number with a fraction.
    text.prop_filter_map("a filter", |text| Filter::parse(&text).ok())
}

fn search() -> impl Strategy<Value = Search> {
    let count = || of(any::<u32>().prop_map(|n| n as usize));
    (
        (name(), vec(source(), 1..3), of(filter()), of(number())),
        (count(), count(), count(), count(), any::<bool>(), of(0.01..1.0)),
        (of(0..1_000_000_000_000_000_000_u64), of(any::<u64>()), of(vector()), of(lists())),
        (vec(stage(), 0..3), vec(path(), 0..3)),
    )
        .prop_map(
            |(
                (collection, sources, filter, max_uncertainty),
                (k, dims, ef, nprobe, exact, recall),
                more,
                (stages, fields),
            )| {
                let (within, budget, variance, fuse) = more;
                let filter = filter.map(|filter| Where { filter, at: At(0) });
                let within = within.map(std::time::Duration::from_nanos);
                Search {
                    collection,
                    sources,
                    filter,
                    max_uncertainty,
                    k,
                    dims,
                    ef,
                    nprobe,
                    exact,
                    recall,
                    within,
                    budget,
                    variance,
                    fuse,
                    stages,
                    fields,
                }
            },
        )
}

fn rule() -> impl Strategy<Value = NewRule> {
    let fit = prop_oneof![
        any::<bool>().prop_map(|scaled| Fit::Procrustes { scaled }),
        of(0.0..9.0).prop_map(|ridge| Fit::Ridge { ridge }),
        (0..999_usize).prop_map(|count| Fit::Anchors { count }),
    ];
    prop_oneof![
        (0..999_usize).prop_map(NewRule::Prefix),
        ("[ -~]{0,5}", of("[ -~]{0,5}"), of(fit), of(0.0..1.0))
            .prop_map(|(from, to, fit, retain)| NewRule::Adapter { from, to, fit, retain }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let text = || "[ -~]{0,5}";
    prop_oneof![
        (kind(), a_space()).prop_map(|(kind, space)| Step::To(VectorKind { space: Some(space), ..kind })),
        (path(), any::<bool>()).prop_map(|(path, by_variance)| Step::Embed { path, by_variance }),
        (text(), of(text()), of(text())).prop_map(|(file, vector, id)| Step::Import { file, vector, id }),
        select(&[Step::Flip, Step::Finish, Step::Drop][..]),
    ]
}

fn statement() -> impl Strategy<Value = Statement> {
    let create =
        (name(), any::<bool>(), kind(), vec(item(), 0..4)).prop_map(|(name, maybe, kind, mut items)| {
            items.insert(0, Item::Vector { name: None, kind });
            Statement::Create(Create { name, if_not_exists: maybe, items })
        });
    let change = prop_oneof![
        (path(), words()).prop_map(|(path, words)| Alteration::FullText { path, words }),
        (1..999_usize).prop_map(Alteration::Truncate),
        vec(1..999_usize, 1..3).prop_map(Alteration::Extend),
        a_space().prop_map(Alteration::Space),
        (a_space(), rule()).prop_map(|(from, rule)| Alteration::Rule { from, rule }),
        a_space().prop_map(Alteration::DropRule),
    ];
    prop_oneof![
        create,
        (name(), any::<bool>()).prop_map(|(name, if_exists)| Statement::Drop { name, if_exists }),
        (name(), change).prop_map(|(name, change)| Statement::Alter(Alter { name, change })),
        (name(), step()).prop_map(|(name, step)| Statement::Change(Change { name, step })),
        (name(), vec(row(), 1..3)).prop_map(|(into, rows)| Statement::Insert(Insert { into, rows })),
        (name(), vec(id(), 1..3)).prop_map(|(from, ids)| Statement::Delete(Delete { from, ids })),
        (name(), vec(id(), 1..3)).prop_map(|(from, ids)| Statement::Get(Get { ids, from })),
        search().prop_map(|search| Statement::Search(Box::new(search))),
        search().prop_map(|search| Statement::Watch(Box::new(search))),
        search().prop_map(|search| Statement::Explain(Box::new(search))),
        (name(), of(index()), of(rotation()))
            .prop_map(|(name, index, rotation)| Statement::Optimize(Optimize { name, index, rotation })),
        of(name()).prop_map(Statement::Compact),
        of(name()).prop_map(Statement::Flush),
    ]
}

proptest! {
    #[test]
    fn what_is_printed_is_parsed_to_the_same(statement in statement()) {
        let text = statement.to_string();
        let parsed = parse(&text).map_err(|e| TestCaseError::fail(format!("{text}\n{e}\n{}", e.render(&text))))?;
        prop_assert_eq!(&parsed, &statement, "{}", text);
        let mut splitter = Splitter::default();
        splitter.push(&format!("{text};"));
        prop_assert_eq!(splitter.take(), Some(format!("{text};")));
    }

    #[test]
    fn any_text_is_parsed_or_refused_at_a_place_in_it(
        text in "[ -~é\n]{0,60}",
        begin in select(vec!["", "search d near [1] ", "search d near [1] where ", "create collection d (", "insert into d values ("]),
    ) {
        let text = format!("{begin}{text}");
        if let Err(refused) = parse(&text) {
            prop_assert!(refused.at <= text.len() && !refused.why.is_empty());
            let _ = refused.render(&text);
        }
        let _ = expected(&text);
    }
}
