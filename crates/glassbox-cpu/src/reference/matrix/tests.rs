//! Matrices by hand, their errors to the letter, and the laws that hold exactly.

use super::*;
use proptest::prelude::*;

fn matrix<const N: usize>(rows: &[[f32; N]]) -> Matrix {
    Matrix::from_rows(rows).unwrap()
}

#[test]
fn arithmetic_by_hand() {
    let (a, b) = (matrix(&[[1.0, 2.0], [3.0, 4.0]]), matrix(&[[5.0, 6.0], [7.0, 8.0]]));
    assert_eq!(&a + &b, Ok(matrix(&[[6.0, 8.0], [10.0, 12.0]])));
    assert_eq!(&a - &b, Ok(matrix(&[[-4.0, -4.0], [-4.0, -4.0]])));
    assert_eq!(&a * &b, Ok(matrix(&[[5.0, 12.0], [21.0, 32.0]])));
    assert_eq!(a.dot(&b), Ok(matrix(&[[19.0, 22.0], [43.0, 50.0]])));
    assert_eq!(matrix(&[[1.0, 2.0, 3.0]]).transpose(), matrix(&[[1.0], [2.0], [3.0]]));
    assert_eq!(a.apply(|x| x * x), (&a * &a).unwrap());
}

#[test]
fn the_brief_made_of_lists() {
    let lists = vec![vec![1.0, 2.0], vec![3.0, 4.0]];
    let mut a = Matrix::<f64>::from_rows(&lists).unwrap();
    assert_eq!((a.shape(), a.get(1, 0)), ((2, 2), Ok(3.0)));
    a.set(1, 0, 9.0).unwrap();
    assert_eq!(a.as_slice(), [1.0, 2.0, 9.0, 4.0]);
}

#[test]
fn an_error_names_both_shapes_and_what_to_do() {
    let (a, b) = (matrix(&[[1.0, 2.0, 3.0]]), matrix(&[[1.0], [2.0]]));
    let hint = "both need the same shape; nothing is repeated to fill up";
    for (op, result) in [("+", &a + &b), ("-", &a - &b), ("*", &a * &b)] {
        let expected = format!("{op} of 1 x 3 and 2 x 1 (hint: {hint})");
        assert_eq!(result.unwrap_err().to_string(), expected);
    }
    let expected = "dot of 1 x 3 and 2 x 1 (hint: the left one needs as many columns as the right \
                    one has rows; should one of them be transposed?)";
    assert_eq!(a.dot(&b).unwrap_err().to_string(), expected);
    let expected = "there is no row 0, column 3 in 1 x 3 (hint: both are counted from 0)";
    assert_eq!(a.get(0, 3).unwrap_err().to_string(), expected);
    assert!(a.clone().set(1, 0, 0.0).is_err());
}

#[test]
fn no_size_overflows() {
    let huge = |rows, columns| Matrix::<f32>::zeros(rows, columns);
    assert_eq!(huge(usize::MAX, 2), Err(MatrixError::TooLarge { shape: (usize::MAX, 2) }));
    assert!(huge(usize::MAX / 8, 1).is_err());
    // Without elements any shape is possible, and nothing counts up to it.
    let (tall, wide) = (huge(usize::MAX, 0).unwrap(), huge(0, usize::MAX).unwrap());
    assert_eq!(tall.transpose(), wide);
    assert_eq!(tall.dot(&huge(0, 0).unwrap()), Ok(tall.clone()));
    assert_eq!(&tall + &tall, Ok(tall.clone()));
    assert_eq!(wide.dot(&tall), huge(0, 0));
    assert!(tall.dot(&wide).unwrap_err().to_string().contains("do not fit in memory"));
    assert!(tall.get(0, 0).is_err());
    assert_eq!(tall.to_string(), format!("[] ({} x 0)", usize::MAX));
}

#[test]
fn sums_of_no_terms_are_zeros() {
    let [a, b] = [(2, 0), (0, 3)].map(|(m, n)| Matrix::<f32>::zeros(m, n).unwrap());
    assert_eq!(a.dot(&b), Matrix::zeros(2, 3));
    assert_eq!(Matrix::<f32>::from_rows::<[f32; 0]>(&[]), Matrix::zeros(0, 0));
}

#[test]
fn printed() {
    assert_eq!(matrix(&[[1.0, -2.0], [30.0, 4.0]]).to_string(), "[[ 1 -2]\n [30  4]]");
    assert_eq!(matrix(&[[1e-5, 0.0]]).to_string(), "[[1.0000e-5  0.0000e0]]");
    assert_eq!(matrix(&[[f32::NAN, 0.5]]).to_string(), "[[   NaN 0.5000]]");
    assert_eq!(format!("{:?}", matrix(&[[1.0]])), "Matrix 1 x 1\n[[1]]");
}

#[test]
fn a_large_matrix_is_shortened() {
    let mut a = Matrix::<f32>::zeros(100, 11).unwrap();
    a.set(99, 10, 7.0).unwrap();
    let expected = "\
[[0 0 0 ... 0 0 0]
 [0 0 0 ... 0 0 0]
 [0 0 0 ... 0 0 0]
 ...
 [0 0 0 ... 0 0 0]
 [0 0 0 ... 0 0 0]
 [0 0 0 ... 0 0 7]]";
    assert_eq!(a.to_string(), expected);
    let row = Matrix::<f32>::zeros(1, 1001).unwrap();
    assert_eq!(row.to_string(), "[[0 0 0 ... 0 0 0]]");
    let whole = Matrix::<f32>::zeros(1, 1000).unwrap();
    assert_eq!(whole.to_string().len(), 2003);
}

/// Small whole numbers, whose products and sums have no rounding.
fn whole(rows: usize, columns: usize) -> impl Strategy<Value = Matrix> {
    prop::collection::vec(prop::collection::vec((-9i8..=9).prop_map(f32::from), columns), rows)
        .prop_map(|rows| Matrix::from_rows(&rows).unwrap())
}

fn three() -> impl Strategy<Value = (Matrix, Matrix, Matrix)> {
    prop::array::uniform4(1usize..6)
        .prop_flat_map(|[m, k, n, p]| (whole(m, k), whole(k, n), whole(n, p)))
}

proptest! {
    #[test]
    fn products_are_associative_and_transpose_backwards((a, b, c) in three()) {
        let (ab, bc) = (a.dot(&b).unwrap(), b.dot(&c).unwrap());
        prop_assert_eq!(ab.dot(&c), a.dot(&bc));
        prop_assert_eq!(ab.transpose(), b.transpose().dot(&a.transpose()).unwrap());
        prop_assert_eq!(a.transpose().transpose(), a);
    }

    #[test]
    fn sums_undo_differences((a, _, _) in three(), factor in -9i8..=9) {
        let b = a.apply(|x| x * f32::from(factor));
        prop_assert_eq!((&(&a - &b).unwrap() + &b).unwrap(), a.clone());
        prop_assert_eq!((&a * &b).unwrap(), (&b * &a).unwrap());
    }
}
