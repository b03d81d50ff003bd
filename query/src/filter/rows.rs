//! A set of rows of one segment.
//!
//! Reads from: nothing. Writes to: nothing.
//! Never: a row beyond the segment's.

/// A set of fewer rows than one in so many is a list; others are bits. It is about where sorting a list begins to cost
/// more than going through all the bits.
const LIST_SHARE: u32 = 512;

/// A set of rows, numbered from 0 up to the number of rows of a segment.
///
/// Few rows are a sorted list, more are one bit for each row of the segment. [`RowSet::contains`] of a list is a binary
/// search; where it is asked very often, [`RowSet::into_bits`] first.
///
/// ```
/// use foretaste_query::filter::RowSet;
///
/// let set: RowSet = RowSet::of_rows(10_000, vec![7, 3, 9_999]);
/// assert_eq!((set.len(), set.contains(7), set.contains(8)), (3, true, false));
/// assert_eq!(set.iter().collect::<Vec<_>>(), [3, 7, 9_999]);
/// assert_eq!(set.not().len(), 9_997);
/// ```
#[derive(Debug, Clone)]
pub struct RowSet {
    rows: u32,
    form: Form,
}

#[derive(Debug, Clone)]
enum Form {
    /// Ascending, each once.
    List(Vec<u32>),
    /// From the lowest bit of each word; none beyond the rows is set.
    Bits { words: Vec<u64>, count: u32 },
}

impl RowSet {
    /// None of `rows` rows.
    pub fn none(rows: u32) -> RowSet {
        RowSet { rows, form: Form::List(Vec::new()) }
    }

    /// All of `rows` rows.
    pub fn all(rows: u32) -> RowSet {
        RowSet::of_words(rows, vec![u64::MAX; words_for(rows)])
    }

    /// The rows in `list`, in any order; those beyond the segment's `rows` are left out.
    pub fn of_rows(rows: u32, mut list: Vec<u32>) -> RowSet {
        if !RowSet::is_list(rows, list.len() as u64) {
            let mut words = vec![0; words_for(rows)];
            list.iter().for_each(|row| set(&mut words, *row));
            return RowSet::of_words(rows, words);
        }
        list.sort_unstable();
        list.dedup();
        list.truncate(list.partition_point(|row| *row < rows));
        RowSet { rows, form: Form::List(list) }
    }

    /// The rows whose bit is set, from the lowest of each word; bits beyond `rows` do not count.
    pub fn of_words(rows: u32, mut words: Vec<u64>) -> RowSet {
        words.resize(words_for(rows), 0);
        if let (Some(last), rest @ 1..) = (words.last_mut(), rows % 64) {
            *last &= (1 << rest) - 1;
        }
        let count = words.iter().map(|w| w.count_ones()).sum();
        RowSet { rows, form: Form::Bits { words, count } }
    }

    /// Whether `count` of `rows` rows are few enough for a list.
    pub(super) fn is_list(rows: u32, count: u64) -> bool {
        count <= u64::from(rows / LIST_SHARE).max(16)
    }

    /// How many rows are in it.
    #[inline]
    pub fn len(&self) -> u32 {
        match &self.form {
            Form::List(list) => list.len() as u32,
            Form::Bits { count, .. } => *count,
        }
    }

    /// Whether no row is in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many rows the segment has.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// Whether `row` is in it.
    #[inline]
    pub fn contains(&self, row: u32) -> bool {
        match &self.form {
            Form::Bits { words, .. } => {
                words.get(row as usize / 64).is_some_and(|w| w >> (row % 64) & 1 == 1)
            }
            Form::List(list) => list.binary_search(&row).is_ok(),
        }
    }

    /// Its rows, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        let (list, words) = match &self.form {
            Form::List(list) => (&list[..], &[][..]),
            Form::Bits { words, .. } => (&[][..], &words[..]),
        };
        let bits = words.iter().zip((0u32..).step_by(64)).flat_map(|(word, first)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let row = (left != 0).then(|| first + left.trailing_zeros());
                left &= left.wrapping_sub(1);
                row
            })
        });
        list.iter().copied().chain(bits)
    }

    /// The bits, 64 rows a word from the lowest, when it is held so.
    pub fn words(&self) -> Option<&[u64]> {
        match &self.form {
            Form::Bits { words, .. } => Some(words),
            Form::List(_) => None,
        }
    }

    /// The same set as bits, for which [`RowSet::contains`] takes about a nanosecond.
    pub fn into_bits(self) -> RowSet {
        match self.form {
            Form::Bits { .. } => self,
            Form::List(list) => {
                let mut words = vec![0; words_for(self.rows)];
                list.iter().for_each(|row| set(&mut words, *row));
                RowSet { rows: self.rows, form: Form::Bits { words, count: list.len() as u32 } }
            }
        }
    }

    /// The rows that are in both.
    pub fn and(self, other: &RowSet) -> RowSet {
        self.meet(other, |a, b| a & b, true)
    }

    /// The rows that are not in `other`.
    pub fn minus(self, other: &RowSet) -> RowSet {
        self.meet(other, |a, b| a & !b, false)
    }

    /// The rows that are in one or both.
    pub fn or(self, other: &RowSet) -> RowSet {
        if self.is_empty() || other.is_empty() {
            return if other.is_empty() { self } else { other.clone() };
        }
        match (&self.form, &other.form) {
            (Form::List(a), Form::List(b)) => RowSet::of_rows(self.rows, [&a[..], &b[..]].concat()),
            (Form::List(_), Form::Bits { .. }) => other.clone().or(&self),
            (Form::Bits { words, .. }, Form::List(b)) => {
                let mut words = words.clone();
                b.iter().for_each(|row| set(&mut words, *row));
                RowSet::of_words(self.rows, words)
            }
            (Form::Bits { words: a, .. }, Form::Bits { words: b, .. }) => {
                RowSet::of_words(self.rows, a.iter().zip(b).map(|(a, b)| a | b).collect())
            }
        }
    }

    /// The rows that are not in it.
    pub fn not(self) -> RowSet {
        let rows = self.rows;
        match self.into_bits().form {
            Form::Bits { words, .. } => RowSet::of_words(rows, words.into_iter().map(|w| !w).collect()),
            Form::List(_) => RowSet::all(rows),
        }
    }

    /// The rows of a list for which `keep` says so, or of any set when `other` is one of bits.
    fn meet(self, other: &RowSet, words: fn(u64, u64) -> u64, keep: bool) -> RowSet {
        let rows = self.rows;
        match (self.form, &other.form) {
            (Form::List(mut list), _) => {
                list.retain(|row| other.contains(*row) == keep);
                RowSet { rows, form: Form::List(list) }
            }
            (Form::Bits { words: mut a, .. }, Form::Bits { words: b, .. }) => {
                a.iter_mut().zip(b).for_each(|(a, b)| *a = words(*a, *b));
                RowSet::of_words(rows, a)
            }
            (form @ Form::Bits { .. }, Form::List(list)) if keep => {
                let this = RowSet { rows, form };
                let list = list.iter().copied().filter(|row| this.contains(*row)).collect();
                RowSet { rows, form: Form::List(list) }
            }
            (Form::Bits { words: mut a, .. }, Form::List(list)) => {
                for row in list {
                    if let Some(word) = a.get_mut(*row as usize / 64) {
                        *word &= !(1 << (row % 64));
                    }
                }
                RowSet::of_words(rows, a)
            }
        }
    }
}

impl PartialEq for RowSet {
    fn eq(&self, other: &RowSet) -> bool {
        self.rows == other.rows && self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Eq for RowSet {}

/// How many words hold a bit for each of `rows` rows.
pub(super) fn words_for(rows: u32) -> usize {
    rows.div_ceil(64) as usize
}

/// Sets the bit of `row`, when there is one.
#[inline]
pub(super) fn set(words: &mut [u64], row: u32) {
    if let Some(word) = words.get_mut(row as usize / 64) {
        *word |= 1 << (row % 64);
    }
}
