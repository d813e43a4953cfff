//! JSON with limits: what a header may contain, and not a byte more kept of anything else.
//!
//! Each value is asked for by `deserialize_any`, and each visitor answers a string itself, because the usual answer to
//! a string in the wrong place is an error that quotes all of it, were it 16 MB of cursor movements.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::arrays::{MAX_ARRAYS, MAX_NAME, MAX_RANK};
use super::header::{Entry, Parsed};

/// The most that all metadata of a file, or all its names, may take in memory.
pub const MAX_TEXT: usize = 4 << 20;
const MAX_STRINGS: usize = 1024;
const MAX_TYPE: usize = 16;

/// Gives a visitor its seed (ask for anything) and its answer to a string in the wrong place.
macro_rules! seed {
    ($name:ident => $value:ty) => {
        impl<'de> serde::de::DeserializeSeed<'de> for $name {
            type Value = $value;
            fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<$value, D::Error> {
                from.deserialize_any(self)
            }
        }
    };
}

/// The whole header: arrays by name, and the metadata.
pub(crate) struct HeaderSeed;
seed!(HeaderSeed => Parsed);

impl<'de> Visitor<'de> for HeaderSeed {
    type Value = Parsed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of arrays")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parsed, A::Error> {
        let (mut parsed, mut metadata, mut text) = (Parsed::default(), None, 0);
        while let Some(name) = map.next_key_seed(Text(MAX_NAME))? {
            if name == "__metadata__" {
                let strings = map.next_value_seed(StringsSeed)?;
                if metadata.replace(strings).is_some() {
                    return Err(Error::custom("expected one `__metadata__`, found two"));
                }
                continue;
            }
            text += name.len();
            at_most("bytes of names", MAX_TEXT, text)?;
            at_most("arrays", MAX_ARRAYS, parsed.entries.len() + 1)?;
            let entry = map.next_value_seed(EntrySeed)?;
            parsed.entries.push(Entry { name, ..entry });
        }
        parsed.metadata = metadata.unwrap_or_default();
        Ok(parsed)
    }
}

/// One array's entry: type, shape and place.
struct EntrySeed;
seed!(EntrySeed => Entry);

impl<'de> Visitor<'de> for EntrySeed {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with dtype, shape and data_offsets")
    }

    fn visit_str<E: Error>(self, found: &str) -> Result<Entry, E> {
        misplaced("an object with dtype, shape and data_offsets", found)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entry, A::Error> {
        let (mut dtype, mut shape, mut place) = (None, None, None);
        while let Some(key) = map.next_key_seed(Text(MAX_TYPE))? {
            let repeated = match &*key {
                "dtype" => dtype.replace(map.next_value_seed(Text(MAX_TYPE))?).is_some(),
                "shape" => shape.replace(map.next_value_seed(Numbers)?).is_some(),
                "data_offsets" => place.replace(map.next_value_seed(Numbers)?).is_some(),
                _ => {
                    return Err(Error::custom(format!(
                        "expected dtype, shape or data_offsets, found {key:?}"
                    )));
                }
            };
            if repeated {
                return Err(Error::custom(format!("expected one {key}, found two")));
            }
        }
        entry(dtype, shape, place).map_err(Error::custom)
    }
}

fn entry(
    dtype: Option<String>,
    shape: Option<Vec<u64>>,
    place: Option<Vec<u64>>,
) -> Result<Entry, String> {
    let missing = |what| format!("expected dtype, shape and data_offsets, found no {what}");
    let dtype = dtype.ok_or_else(|| missing("dtype"))?;
    let shape = shape.ok_or_else(|| missing("shape"))?;
    let place = place.ok_or_else(|| missing("data_offsets"))?;
    let [start, end] = place[..] else {
        return Err(format!("expected two data_offsets, found {}", place.len()));
    };
    let shape = shape.into_iter().map(usize::try_from).collect::<Result<_, _>>();
    let shape = shape.map_err(|_| "expected sizes that fit this machine, found a larger one")?;
    Ok(Entry { name: String::new(), dtype, shape, start, end })
}

/// A table of strings without repeated keys.
pub(crate) struct StringsSeed;
seed!(StringsSeed => BTreeMap<String, String>);

impl<'de> Visitor<'de> for StringsSeed {
    type Value = BTreeMap<String, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_str<E: Error>(self, found: &str) -> Result<Self::Value, E> {
        misplaced("an object of strings", found)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut strings, mut text) = (BTreeMap::new(), 0);
        while let Some(key) = map.next_key_seed(Text(MAX_NAME))? {
            let value = map.next_value_seed(Text(MAX_TEXT))?;
            text += key.len() + value.len();
            at_most("bytes of metadata", MAX_TEXT, text)?;
            at_most("metadata entries", MAX_STRINGS, strings.len() + 1)?;
            if strings.insert(key, value).is_some() {
                return Err(Error::custom("expected different metadata keys, found one twice"));
            }
        }
        Ok(strings)
    }
}

/// A string of at most so many bytes.
struct Text(usize);
seed!(Text => String);

impl Visitor<'_> for Text {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a string of at most {} bytes", self.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        if text.len() > self.0 {
            misplaced(&format!("a string of at most {} bytes", self.0), text)
        } else {
            Ok(text.into())
        }
    }
}

/// A list of at most four whole numbers: a shape, or where an array starts and ends.
struct Numbers;
seed!(Numbers => Vec<u64>);

impl<'de> Visitor<'de> for Numbers {
    type Value = Vec<u64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {MAX_RANK} whole numbers")
    }

    fn visit_str<E: Error>(self, found: &str) -> Result<Vec<u64>, E> {
        misplaced("a list of whole numbers", found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<u64>, A::Error> {
        let mut numbers = Vec::new();
        while let Some(number) = list.next_element_seed(Number)? {
            at_most("numbers in a list", MAX_RANK, numbers.len() + 1)?;
            numbers.push(number);
        }
        Ok(numbers)
    }
}

/// A whole number from 0.
struct Number;
seed!(Number => u64);

impl Visitor<'_> for Number {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number from 0")
    }

    fn visit_str<E: Error>(self, found: &str) -> Result<u64, E> {
        misplaced("a whole number", found)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<u64, E> {
        Ok(number)
    }
}

fn at_most<E: Error>(what: &str, limit: usize, found: usize) -> Result<(), E> {
    if found <= limit {
        return Ok(());
    }
    Err(Error::custom(format!("expected at most {limit} {what}, found {found}")))
}

fn misplaced<T, E: Error>(expected: &str, found: &str) -> Result<T, E> {
    Err(Error::custom(format!("expected {expected}, found a string of {} bytes", found.len())))
}
