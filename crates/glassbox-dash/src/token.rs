//! The key of a dashboard: 128 random bits, which whoever looks has to have.

use crate::error::Error;

/// A key, as 32 hexadecimal digits.
#[derive(Clone)]
pub(crate) struct Token(String);

impl Token {
    /// A new one, of the system's randomness.
    pub fn new() -> Result<Token, Error> {
        let mut bytes = [0u8; 16];
        getrandom::fill(&mut bytes).map_err(|error| Error::Random(error.to_string()))?;
        Ok(Token(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// Whether somebody has it. How long the answer takes does not tell how much of a guess is right.
    pub fn is(&self, given: &str) -> bool {
        let (key, given) = (self.0.as_bytes(), given.as_bytes());
        let differs = |sum: u8, (a, b): (&u8, &u8)| std::hint::black_box(sum | (a ^ b));
        key.len() == given.len() && key.iter().zip(given).fold(0, differs) == 0
    }

    /// Its digits, for the link.
    pub fn digits(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_and_only_the_whole_one_fits() {
        let (a, b) = (Token::new().unwrap(), Token::new().unwrap());
        assert!(a.is(a.digits()) && !a.is(b.digits()));
        assert_eq!(a.digits().len(), 32);
        assert!(a.digits().bytes().all(|digit| digit.is_ascii_hexdigit()));
        assert!(!a.is("") && !a.is(&a.digits()[1..]) && !a.is(&format!("{}0", a.digits())));
        assert!(
            !a.is(&a.digits().to_uppercase()) || a.digits().bytes().all(|d| d.is_ascii_digit())
        );
    }
}
