//! Labels with a type: class indices or one-hot rows, checked once, before anything counts on them.

/// One class index for each sample, every one of them below the number of classes.
///
/// A plain list of numbers invites two classic mistakes: indices where one-hot rows are meant, and
/// an index one past the end. This type cannot hold either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    indices: Vec<u32>,
    classes: usize,
}

/// Why numbers are no labels. Rows count from 0.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum LabelError {
    /// A class index that no output of the network stands for.
    #[error(
        "label of row {row}: expected 0 to {max}, found {value} \
         (hint: there are {classes} classes, counted from 0)",
        max = classes.saturating_sub(1)
    )]
    OutOfRange { row: usize, value: u64, classes: usize },

    /// A one-hot row may hold 0 and 1 and nothing else.
    #[error(
        "one-hot row {row}, column {column}: expected 0 or 1, found {value} \
         (hint: pass class indices, or rows with a single 1)"
    )]
    NotZeroOrOne { row: usize, column: usize, value: f32 },

    /// A one-hot row holds exactly one 1.
    #[error(
        "one-hot row {row}: expected exactly one 1 in {classes} columns, found {ones} \
         (hint: each sample belongs to one class)"
    )]
    NotOneHot { row: usize, ones: usize, classes: usize },

    /// The numbers do not divide into rows of `classes` columns.
    #[error(
        "one-hot labels: expected a multiple of {classes} numbers, found {found} \
         (hint: if these are class indices, say so: use `Labels::from_indices`)"
    )]
    RaggedRows { found: usize, classes: usize },

    /// Labels without classes mean nothing.
    #[error(
        "labels: expected at least 1 class, found {found} (hint: say how many classes there are)"
    )]
    NoClasses { found: usize },

    /// Every image needs its label.
    #[error(
        "labels: expected {images}, one for each image, found {labels} \
         (hint: images and labels come from different sets or batches)"
    )]
    Count { images: usize, labels: usize },
}

impl Labels {
    /// Labels from class indices, counted from 0.
    pub fn from_indices(indices: &[u32], classes: usize) -> Result<Self, LabelError> {
        at_least_one(classes)?;
        match indices.iter().position(|&index| index as usize >= classes) {
            None => Ok(Self { indices: indices.to_vec(), classes }),
            Some(row) => {
                Err(LabelError::OutOfRange { row, value: u64::from(indices[row]), classes })
            }
        }
    }

    /// Labels from class indices as IDX files hold them.
    pub fn from_bytes(indices: &[u8], classes: usize) -> Result<Self, LabelError> {
        check_bytes(indices, classes)?;
        Ok(Self { indices: indices.iter().map(|&index| u32::from(index)).collect(), classes })
    }

    /// Labels from one-hot rows, row-major: `rows` is (samples, classes).
    pub fn from_one_hot(rows: &[f32], classes: usize) -> Result<Self, LabelError> {
        at_least_one(classes)?;
        if !rows.len().is_multiple_of(classes) {
            return Err(LabelError::RaggedRows { found: rows.len(), classes });
        }
        let indices = rows.chunks_exact(classes).enumerate().map(|(row, values)| hot(row, values));
        Ok(Self { indices: indices.collect::<Result<_, _>>()?, classes })
    }

    /// Refuses labels that are not one for each of `images`.
    pub fn check_count(&self, images: usize) -> Result<(), LabelError> {
        if self.len() == images {
            return Ok(());
        }
        Err(LabelError::Count { images, labels: self.len() })
    }

    /// The class of each sample.
    pub fn indices(&self) -> &[u32] {
        &self.indices
    }

    /// The number of classes; every index is below it.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The number of samples.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// The same labels as one-hot rows, (samples, classes).
    pub fn one_hot(&self) -> Vec<f32> {
        let mut rows = vec![0.0; self.len() * self.classes];
        for (row, &index) in rows.chunks_exact_mut(self.classes).zip(&self.indices) {
            row[index as usize] = 1.0;
        }
        rows
    }
}

/// The range check for labels that stay bytes.
pub(crate) fn check_bytes(indices: &[u8], classes: usize) -> Result<(), LabelError> {
    at_least_one(classes)?;
    match indices.iter().position(|&index| usize::from(index) >= classes) {
        None => Ok(()),
        Some(row) => Err(LabelError::OutOfRange { row, value: u64::from(indices[row]), classes }),
    }
}

fn at_least_one(classes: usize) -> Result<(), LabelError> {
    if classes == 0 { Err(LabelError::NoClasses { found: classes }) } else { Ok(()) }
}

/// The column of the only 1 in a one-hot row.
fn hot(row: usize, values: &[f32]) -> Result<u32, LabelError> {
    if let Some(column) = values.iter().position(|&value| value != 0.0 && value != 1.0) {
        return Err(LabelError::NotZeroOrOne { row, column, value: values[column] });
    }
    let mut ones = values.iter().enumerate().filter(|&(_, &value)| value == 1.0);
    match (ones.next(), ones.count()) {
        (Some((column, _)), 0) => Ok(column as u32),
        (first, more) => {
            let ones = usize::from(first.is_some()) + more;
            Err(LabelError::NotOneHot { row, ones, classes: values.len() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_mean_the_same() {
        let labels = Labels::from_indices(&[2, 0, 1], 3).unwrap();
        assert_eq!(labels.one_hot(), [0., 0., 1., 1., 0., 0., 0., 1., 0.]);
        assert_eq!(Labels::from_one_hot(&labels.one_hot(), 3).unwrap(), labels);
        assert_eq!(Labels::from_bytes(&[2, 0, 1], 3).unwrap(), labels);
        assert_eq!((labels.len(), labels.classes(), labels.is_empty()), (3, 3, false));
    }

    #[test]
    fn a_wrong_label_is_named_with_its_row_and_range() {
        let cases = [
            (Labels::from_bytes(&[0, 10], 10), "row 1: expected 0 to 9, found 10"),
            (Labels::from_indices(&[u32::MAX], 2), "row 0: expected 0 to 1, found 4294967295"),
            (Labels::from_bytes(&[], 0), "expected at least 1 class, found 0"),
            (Labels::from_one_hot(&[1.0], 0), "expected at least 1 class, found 0"),
            (Labels::from_one_hot(&[1., 0., 1.], 2), "a multiple of 2 numbers, found 3"),
            (Labels::from_one_hot(&[1., 0., 1., 1.], 2), "row 1: expected exactly one 1 in 2"),
            (Labels::from_one_hot(&[0., 0.], 2), "expected exactly one 1 in 2 columns, found 0"),
            (Labels::from_one_hot(&[0., f32::NAN], 2), "column 1: expected 0 or 1, found NaN"),
            (Labels::from_one_hot(&[0.5, 0.5], 2), "column 0: expected 0 or 1, found 0.5"),
        ];
        for (labels, expected) in cases {
            let text = labels.unwrap_err().to_string();
            assert!(text.contains(expected) && text.contains("(hint: "), "{text}");
        }
    }

    #[test]
    fn every_image_needs_its_label() {
        let labels = Labels::from_bytes(&[1, 2], 10).unwrap();
        assert_eq!(labels.check_count(2), Ok(()));
        let text = labels.check_count(3).unwrap_err().to_string();
        assert!(text.contains("expected 3, one for each image, found 2"), "{text}");
    }
}
