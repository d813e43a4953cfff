//! Numbers in JSON, which has neither NaN nor infinities: they are the words "NaN", "Infinity" and "-Infinity".
//!
//! These are the words of Protocol Buffers, and what `Number` in JavaScript, `float` in Python and `parse` in Rust read.
//! Files of earlier versions say null, which is read as NaN. To be used as `#[serde(with = "crate::event::number")]`.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number, or several, or perhaps none.
pub(crate) trait Number: Sized {
    /// As it stands in JSON.
    type Json: Serialize + DeserializeOwned;

    fn to_json(&self) -> Self::Json;

    fn from_json(json: Self::Json) -> Self;
}

pub(crate) fn serialize<T: Number, S: Serializer>(x: &T, to: S) -> Result<S::Ok, S::Error> {
    x.to_json().serialize(to)
}

pub(crate) fn deserialize<'de, T: Number, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    T::Json::deserialize(from).map(T::from_json)
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Json<T> {
    Finite(T),
    Other(Word),
    Null(()),
}

#[derive(Serialize, Deserialize)]
pub(crate) enum Word {
    NaN,
    Infinity,
    #[serde(rename = "-Infinity")]
    MinusInfinity,
}

impl<T: Copy + Into<f64> + From<f32>> Json<T> {
    fn of(x: T) -> Json<T> {
        match x.into() {
            f64::INFINITY => Json::Other(Word::Infinity),
            f64::NEG_INFINITY => Json::Other(Word::MinusInfinity),
            y if y.is_nan() => Json::Other(Word::NaN),
            _ => Json::Finite(x),
        }
    }

    fn number(self) -> T {
        match self {
            Json::Finite(x) => x,
            Json::Other(Word::Infinity) => f32::INFINITY.into(),
            Json::Other(Word::MinusInfinity) => f32::NEG_INFINITY.into(),
            Json::Other(Word::NaN) | Json::Null(()) => f32::NAN.into(),
        }
    }
}

impl Number for f32 {
    type Json = Json<f32>;

    fn to_json(&self) -> Json<f32> {
        Json::of(*self)
    }

    fn from_json(json: Json<f32>) -> f32 {
        json.number()
    }
}

impl Number for f64 {
    type Json = Json<f64>;

    fn to_json(&self) -> Json<f64> {
        Json::of(*self)
    }

    fn from_json(json: Json<f64>) -> f64 {
        json.number()
    }
}

impl<T: Number> Number for Option<T> {
    type Json = Option<T::Json>;

    fn to_json(&self) -> Self::Json {
        self.as_ref().map(T::to_json)
    }

    fn from_json(json: Self::Json) -> Self {
        json.map(T::from_json)
    }
}

impl<T: Number> Number for [T; 2] {
    type Json = [T::Json; 2];

    fn to_json(&self) -> Self::Json {
        self.each_ref().map(T::to_json)
    }

    fn from_json(json: Self::Json) -> Self {
        json.map(T::from_json)
    }
}
