//! Week 1, matrices: rows and columns, the two kinds of product, and what an error says.
#![allow(clippy::print_stdout)]

use glassbox::cpu::reference::{Matrix, MatrixError};

fn main() -> Result<(), MatrixError> {
    let a: Matrix = Matrix::from_rows(&[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])?;
    let b: Matrix = Matrix::from_rows(&[[1.0, 0.0, -1.0], [0.5, 2.0, 0.0]])?;
    println!("a, of shape {:?}:\n{a}\n\nb, of shape {:?}:\n{b}\n", a.shape(), b.shape());

    // Element by element: both shapes have to be the same.
    println!("a + b:\n{}\n", (&a + &b)?);
    println!("a - b:\n{}\n", (&a - &b)?);
    println!("a * b, element by element:\n{}\n", (&a * &b)?);

    // The matrix product (m,k)·(k,n) = (m,n): each row of the left with each column of the right.
    let product = a.dot(&b.transpose())?;
    println!("a · bᵀ, the matrix product of (2,3) and (3,2):\n{product}\n");

    // The same product from its definition: three nested loops, m · k · n multiplications.
    let ((m, k), (_, n)) = (a.shape(), b.transpose().shape());
    for i in 0..m {
        for j in 0..n {
            let mut sum = 0.0;
            for p in 0..k {
                sum += a.get(i, p)? * b.get(j, p)?;
            }
            assert_eq!(sum, product.get(i, j)?, "element ({i},{j})");
        }
    }
    println!("three nested loops give the same {} numbers\n", m * n);

    // A function of each element, which is how a network bends its straight lines.
    println!("the squares of a:\n{}\n", a.apply(|x| x * x));

    // Numbers lie row after row in one piece of memory: element (i,j) is number i · columns + j.
    println!("a in memory:  {:?}", a.as_slice());
    println!("aᵀ in memory: {:?}\n", a.transpose().as_slice());

    // Shapes that do not fit are an error that names both of them and says what to do.
    println!("a · b is refused: {}", a.dot(&b).unwrap_err());
    Ok(())
}
