//! What viewers are told: numbered entries, of which long runs keep the beginning, the newest, and ever fewer between.
//!
//! An id is `life.number`: the number of the entry that came last, and which process counted. A viewer that comes back
//! with an id gets all that is kept after it; where another process counted, it is told to forget, and gets all there is.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::str::FromStr;

/// The entries that are kept.
pub(crate) struct News {
    life: u32,
    last: u64,
    kept: VecDeque<Entry>,
    /// Of all that are kept.
    bytes: usize,
}

/// Something a viewer is told.
struct Entry {
    number: u64,
    /// Which run it is about.
    run: usize,
    weight: Weight,
    /// A JSON object.
    json: Box<str>,
}

/// Which entries go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// One of many: a step, a reading.
    Light,
    /// Rare, or the first of many.
    Heavy,
}

/// The place of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id {
    pub life: u32,
    pub number: u64,
}

/// Some entries together.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    /// All up to here came before.
    pub from: u64,
    /// The last of them.
    pub id: Id,
    /// A JSON array.
    pub entries: String,
    /// Which runs they are about.
    pub runs: BTreeSet<usize>,
}

/// The most entries that are kept.
const MOST: usize = 8192;

/// The most bytes of entries that are kept.
const MOST_BYTES_KEPT: usize = 8 << 20;

/// The most bytes of entries in a batch: a viewer that lags gets several.
const MOST_BYTES: usize = 64 << 10;

impl News {
    /// None yet. Two processes count under different names.
    pub fn new(life: u32) -> News {
        News { life, last: 0, kept: VecDeque::new(), bytes: 0 }
    }

    /// The place of the newest entry.
    pub fn last(&self) -> Id {
        Id { life: self.life, number: self.last }
    }

    /// Adds an entry about a run, which is a JSON object.
    pub fn add(&mut self, run: usize, json: String, weight: Weight) {
        self.last += 1;
        let (number, json) = (self.last, json.into_boxed_str());
        self.bytes += json.len();
        self.kept.push_back(Entry { number, run, weight, json });
        if self.is_beyond(1.0) {
            self.thin();
        }
        // Few entries may be large: then the oldest go, and the newest stays.
        while self.bytes > MOST_BYTES_KEPT && self.kept.len() > 1 {
            self.bytes -= self.kept.pop_front().map_or(0, |entry| entry.json.len());
        }
    }

    /// Where a viewer goes on that has all up to `id`; nothing if that means nothing here.
    pub fn resume(&self, id: Id) -> Option<u64> {
        (id.life == self.life && id.number <= self.last).then_some(id.number)
    }

    /// The next entries after number `after`, if there are any.
    pub fn batch(&self, after: u64) -> Option<Batch> {
        let begin = self.kept.partition_point(|entry| entry.number <= after);
        let (mut entries, mut runs) = (String::from("["), BTreeSet::new());
        let mut number = after;
        for entry in self.kept.range(begin..) {
            if entries.len() + entry.json.len() > MOST_BYTES && number > after {
                break;
            }
            if entries.len() > 1 {
                entries.push(',');
            }
            entries.push_str(&entry.json);
            number = entry.number;
            runs.insert(entry.run);
        }
        entries.push(']');
        let id = Id { life: self.life, number };
        (number > after).then_some(Batch { from: after, id, entries, runs })
    }

    /// Whether more is kept than this share of what may be.
    fn is_beyond(&self, share: f64) -> bool {
        self.kept.len() as f64 > share * MOST as f64
            || self.bytes as f64 > share * MOST_BYTES_KEPT as f64
    }

    /// In the older three quarters, every second light entry goes; where that is too little, every second of all.
    fn thin(&mut self) {
        let old = self.kept.len() * 3 / 4;
        for lightest in [true, false] {
            if !self.is_beyond(0.875) {
                return;
            }
            let (mut index, mut count) = (0, 0u32);
            self.kept.retain(|entry| {
                index += 1;
                let may_go = index <= old && (!lightest || entry.weight == Weight::Light);
                count += u32::from(may_go);
                !may_go || count.is_multiple_of(2)
            });
            self.bytes = self.kept.iter().map(|entry| entry.json.len()).sum();
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{:08x}.{}", self.life, self.number)
    }
}

impl FromStr for Id {
    type Err = ();

    fn from_str(text: &str) -> Result<Id, ()> {
        let (life, number) = text.split_once('.').ok_or(())?;
        let life = u32::from_str_radix(life, 16).map_err(|_| ())?;
        Ok(Id { life, number: number.parse().map_err(|_| ())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(entries: &str) -> Vec<u64> {
        serde_json::from_str(entries).unwrap()
    }

    /// All that a viewer gets that is cut off after every batch.
    fn all(news: &News, mut after: u64) -> Vec<u64> {
        let mut found = Vec::new();
        while let Some(batch) = news.batch(after) {
            assert!(batch.entries.len() <= MOST_BYTES + 2 && batch.from == after);
            found.extend(numbers(&batch.entries));
            let id: Id = batch.id.to_string().parse().unwrap();
            after = news.resume(id).unwrap();
        }
        found
    }

    #[test]
    fn a_viewer_that_comes_back_misses_nothing() {
        let mut news = News::new(7);
        assert_eq!(news.batch(0), None);
        let mut viewer = Vec::new();
        let mut after = 0;
        for round in 1..=7000u64 {
            news.add(0, round.to_string(), Weight::Light);
            if round % 13 == 0 {
                let batch = news.batch(after).unwrap();
                viewer.extend(numbers(&batch.entries));
                after = news.resume(batch.id).unwrap();
            }
        }
        viewer.extend(all(&news, after));
        assert!(viewer.iter().copied().eq(1..=7000));
        assert_eq!(all(&news, 0), viewer);
    }

    #[test]
    fn large_entries_are_few() {
        let mut news = News::new(0);
        for number in 1..=5000u64 {
            let json = format!("{number}{}", " ".repeat(16 << 10));
            news.add(0, json, Weight::Heavy);
            let bytes: usize = news.kept.iter().map(|entry| entry.json.len()).sum();
            assert!(bytes == news.bytes && bytes <= MOST_BYTES_KEPT, "{bytes}");
        }
        assert_eq!(all(&news, 0).last(), Some(&5000));
        news.add(0, format!("1{}", " ".repeat(2 * MOST_BYTES_KEPT)), Weight::Heavy);
        assert_eq!(news.kept.len(), 1);
    }

    #[test]
    fn another_life_and_the_future_mean_nothing() {
        let mut news = News::new(7);
        news.add(0, "1".to_string(), Weight::Light);
        for text in ["00000007.2", "00000008.1", "00000008.0"] {
            assert_eq!(news.resume(text.parse().unwrap()), None, "{text}");
        }
        assert_eq!(news.resume("7.1".parse().unwrap()), Some(1));
        for text in ["", ".", "7", "x.1", "7.x", "7.-1", "7.1.1", "7.99999999999999999999"] {
            assert!(text.parse::<Id>().is_err(), "{text}");
        }
    }

    #[test]
    fn long_runs_keep_what_is_heavy_and_the_newest() {
        let mut news = News::new(0);
        for number in 1..=1_000_000u64 {
            let weight = if number <= 100 { Weight::Heavy } else { Weight::Light };
            news.add(0, number.to_string(), weight);
            assert!(news.kept.len() <= MOST);
        }
        let found = all(&news, 0);
        assert!(found[..100].iter().copied().eq(1..=100));
        assert!(found.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(found[found.len() - 1000..].iter().copied().eq(999_001..=1_000_000));
        for number in 1..=100_000u64 {
            news.add(0, number.to_string(), Weight::Heavy);
            assert!(news.kept.len() <= MOST, "there is no end of what is heavy");
        }
    }
}
