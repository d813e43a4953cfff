"""The polynomial coefficients in crates/glassbox-cpu/src/reference/math.rs, derived and printed.

Needs mpmath. Each polynomial is the best one in the sense of Chebyshev: of all with its degree, its
largest relative error is the smallest. It is found on a fine grid by the exchange algorithm of
E. Remez, "Sur la détermination des polynômes d'approximation de degré donnée" (1934). A coefficient
then has to become a float32, which costs accuracy if all are rounded at once; so they are rounded
one at a time, the most important first, and the others are fitted again.
"""

import struct
from mpmath import mp, mpf, cos, expm1, fabs, log, log1p, lu_solve, matrix, pi, polyval

mp.dps = 40


def float32(x):
    return mpf(struct.unpack("<f", struct.pack("<f", float(x)))[0])


def shortest(x):
    """The fewest digits that a reader takes back to this float32."""
    return next(text for text in (mp.nstr(x, d) for d in range(1, 10)) if float32(mpf(text)) == x)


def exchange(chosen, error, worst):
    """Puts the point `worst` in place of one of the chosen, so that the signs still alternate."""
    above = sum(i < worst for i in chosen)
    for j in (above - 1, above):
        if 0 <= j < len(chosen) and (error[chosen[j]] > 0) == (error[worst] > 0):
            return chosen[:j] + [worst] + chosen[j + 1 :]
    return [worst] + chosen[:-1] if above == 0 else chosen[1:] + [worst]


def remez(points, values, weights, degree):
    """The coefficients, constant first, that minimise max of weight · |value - polynomial|."""
    count = degree + 2
    chosen = [(2 * i + 1) * len(points) // (2 * count) for i in range(count)]
    while True:
        rows = [
            [points[i] ** d for d in range(degree + 1)] + [(-1) ** j / weights[i]]
            for j, i in enumerate(chosen)
        ]
        *coefficients, level = lu_solve(matrix(rows), matrix([values[i] for i in chosen]))
        error = [v - polyval(coefficients[::-1], x) for x, v in zip(points, values)]
        worst = max(range(len(points)), key=lambda i: weights[i] * fabs(error[i]))
        if weights[worst] * fabs(error[worst]) < fabs(level) * (1 + mpf(10) ** -4):
            return coefficients
        chosen = exchange(chosen, error, worst)


def fit(name, true, degree, low, high):
    """Finds p with true(x) = x + x² p(x), and prints it with the relative error that is left."""
    n = 500  # even, so that no point is 0, where the weight vanishes
    points = [(low + high) / 2 + (high - low) / 2 * cos(pi * (i + mpf(1) / 2) / n) for i in range(n)]
    values = [(true(x) - x) / x**2 for x in points]
    weights = [fabs(x**2 / true(x)) for x in points]
    fixed = []
    while len(fixed) <= degree:
        k = len(fixed)
        rest = [(v - polyval(fixed[::-1], x)) / x**k for x, v in zip(points, values)]
        scaled = [fabs(w * x**k) for x, w in zip(points, weights)]
        fixed.append(float32(remez(points, rest, scaled, degree - k)[0]))
    worst = max(w * fabs(v - polyval(fixed[::-1], x)) for x, v, w in zip(points, values, weights))
    print(f"{name}, degree {degree}: largest relative error 2^{float(log(worst, 2)):.2f}")
    for k, c in reversed(list(enumerate(fixed))):
        print(f"    {shortest(c)}, // x^{k + 2}, about 1/{mp.nstr(1 / c, 5)}")


def split(name, value):
    high = float32(value)
    print(f"{name}: {shortest(high)} + {shortest(float32(value - high))}")


if __name__ == "__main__":
    half = log(mpf(2)) / 2
    edge = half * (1 + mpf(2) ** -10)  # n is the nearest integer up to the rounding of x · log2(e)
    split("log2(e)", 1 / log(mpf(2)))
    split("ln 2", log(mpf(2)))
    fit("EXP_TAIL: e^x - 1 = x + x² p(x)", expm1, 5, -edge, edge)
    fit("LN_TAIL: ln(1 + x) = x + x² p(x)", log1p, 8, -mpf(1) / 3, mpf(1) / 3)
