//! Queries of another space: by the rows in it, by a rule, or by both.
//!
//! Reads from: a snapshot and its members. Writes to: members that keep rules. Never: a query compared with rows of another space
//! without a rule.

use foretaste_storage::block::encode;
use foretaste_storage::limits;

use crate::catalogue;
use crate::collection::Collection;
use crate::error::{Error, Result};
use crate::ingest::Part;
use crate::member::Role;
use crate::optimize;
use crate::rerank::Mixed;
use crate::search::Search;
use crate::snapshot::Snapshot;
use crate::space::{Rule, Space};

/// What is searched for a query of some space.
struct Asked {
    snapshot: Snapshot,
    query: Vec<f32>,
    /// Dimensions of the rows that it is compared with, when these are not all.
    dims: Option<usize>,
    /// The rows in the query's own space, to be mixed in.
    mixed: Option<Mixed>,
}

impl Collection {
    /// Says which space its vectors are of, for a collection that was created without one.
    ///
    /// # Errors
    /// `Exists` when it says another one; `BadRequest` and `LimitExceeded` for a name that cannot be; `ReadOnly`, `Io`.
    pub fn set_space(&self, space: &Space) -> Result<()> {
        match self.schema().vector_space() {
            Some(own) if own != space => {
                Err(Error::Exists { name: format!("space {own} of collection `{}`", self.name()) })
            }
            Some(_) => Ok(()),
            None => optimize::set_space(self.core(), self.own(), space.clone()),
        }
    }

    /// Registers by which rule queries of the space `from` are compared with its rows, durably; another rule for that space is
    /// replaced.
    ///
    /// # Errors
    /// `BadRequest` when the collection says no space or the same one, or when the rule fits no level of it; `LimitExceeded`,
    /// `ReadOnly`, `Io`.
    pub fn set_rule(&self, from: &Space, rule: &Rule) -> Result<()> {
        let core = self.core();
        core.writer("set a rule")?;
        from.validate()?;
        let schema = self.schema();
        let bad = |why: &str| Err(Error::BadRequest { what: "rule", why: why.to_string() });
        let to = match schema.vector_space() {
            None => {
                return bad("the collection says no space; `set_space` tells it which its vectors are of");
            }
            Some(own) if own == from => return bad("queries of the collection's own space need none"),
            Some(own) => own.clone(),
        };
        rule.check(&schema)?;
        self.remove_rule(from)?;
        let role = Role::Rule(from.clone());
        let others = self.members().iter().filter(|member| matches!(member.role, Role::Rule(_))).count();
        limits::check("rules of a collection", others as u64 + 1, limits::RULES)?;
        {
            let mut upkeep = core.upkeep.lock();
            self.still_there()?;
            let parts = vec![(role.member_of(self.name()), Rule::schema())];
            catalogue::create(core, &mut upkeep, parts, self.own().view().1)?;
        }
        let members = self.members();
        let Some(member) = members.iter().find(|member| member.role == role) else { return Ok(()) };
        let parts = vec![Part { collection: &member.core, block: rule.block(&to)? }];
        let own = encode(&schema.layout, &[], &[], None)?;
        self.commit_if(parts, own, &mut |_| Ok(true)).map(|_| ())
    }

    /// Forgets the rule for queries of that space, if there is one.
    ///
    /// # Errors
    /// `ReadOnly`, `Io`.
    pub fn remove_rule(&self, from: &Space) -> Result<()> {
        let core = self.core();
        core.writer("remove a rule")?;
        let mut upkeep = core.upkeep.lock();
        let role = Role::Rule(from.clone());
        let Some(member) = self.members().iter().find(|member| member.role == role).cloned() else {
            return Ok(());
        };
        catalogue::remove(core, &mut upkeep, &[member.core])
    }

    /// The spaces whose queries it has a rule for.
    ///
    /// # Errors
    /// `Corrupt` when what is kept of a rule is damaged.
    pub fn rules(&self) -> Result<Vec<(Space, Rule)>> {
        let snapshot = self.snapshot();
        let mut rules = Vec::new();
        for member in self.members().iter() {
            if let Role::Rule(from) = &member.role {
                rules.extend(snapshot.rule(from)?.map(|rule| (from.clone(), rule)));
            }
        }
        Ok(rules)
    }

    /// A search for the rows nearest to a query of the space `space`, on a snapshot taken now; see [`Snapshot::search_in`].
    ///
    /// # Errors
    /// As [`Snapshot::search_in`].
    pub fn search_in(&self, space: &Space, query: &[f32]) -> Result<Search> {
        self.snapshot().search_in(space, query)
    }
}

impl Snapshot {
    /// A search for the rows nearest to a query of the space `space`.
    ///
    /// Queries of the collection's own space are compared with its rows. Queries of another one are compared with the rows in that
    /// space, when the model is being changed to or was changed from it; as long as rows are missing there, these are compared by the
    /// rule for that space, and both make one list, by scores on one scale where enough rows are in both spaces to fit it, else by
    /// ranks. Without rows in that space the rule alone counts. Without a rule, rows that are not in that space cannot be found, so
    /// that is an error.
    ///
    /// # Errors
    /// `BadRequest` when there is no way to compare; `DimensionMismatch`; `Corrupt` when what is kept of a rule is damaged.
    pub fn search_in(&self, space: &Space, query: &[f32]) -> Result<Search> {
        let Asked { snapshot, query, dims, mixed } = ask(self, space, query)?;
        let mut search = Search::new(snapshot, &query);
        if let Some(dims) = dims {
            search = search.dims(dims);
        }
        Ok(match mixed {
            Some(mixed) => search.rerank(mixed),
            None => search,
        })
    }

    /// The rule for queries of that space, if it leads into the collection's.
    pub(crate) fn rule(&self, from: &Space) -> Result<Option<Rule>> {
        let Some(member) = self.member(&Role::Rule(from.clone())) else { return Ok(None) };
        let mut known = member.core.known.rule.lock();
        if known.is_none() {
            // Without its first row it was not set to the end.
            let kept = self.of_member(member);
            *known = if kept.contains(0)? { Some(Rule::load(&kept)?) } else { None };
        }
        let leads_here =
            |(to, rule): &(Space, Rule)| (self.schema().space.as_ref() == Some(to)).then(|| rule.clone());
        Ok(known.as_ref().and_then(leads_here))
    }
}

/// What is to be searched for a query of `space`.
fn ask(snapshot: &Snapshot, space: &Space, query: &[f32]) -> Result<Asked> {
    let own = snapshot.schema().space.as_ref();
    let whole = |snapshot: Snapshot| Asked { snapshot, query: query.to_vec(), dims: None, mixed: None };
    if own == Some(space) {
        return Ok(whole(snapshot.clone()));
    }
    let there =
        snapshot.member(&Role::Change).filter(|member| member.state.schema.space.as_ref() == Some(space));
    if let Some(member) = there
        && member.state.len(snapshot.seq) == snapshot.len()
    {
        return Ok(whole(snapshot.of_member(member)));
    }
    let Some(rule) = snapshot.rule(space)? else {
        let own = own.map_or_else(|| "no space that was said".to_string(), Space::to_string);
        let missing = match there {
            None => String::new(),
            Some(_) => "; some rows are not in the query's space yet".to_string(),
        };
        let why = format!(
            "a query of {space} cannot be compared with rows of {own}{missing}; register a rule by `set_rule`"
        );
        return Err(Error::BadRequest { what: "space", why });
    };
    let mapped = rule.map(query)?;
    let dims = (mapped.len() != snapshot.schema().dim()).then_some(mapped.len());
    let mixed = there.map(|member| Mixed::new(snapshot.of_member(member), member, &rule, query));
    Ok(Asked { snapshot: snapshot.clone(), query: mapped, dims, mixed })
}
