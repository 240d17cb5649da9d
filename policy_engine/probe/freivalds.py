"""Check a matrix product without doing it again: C v against A (B v) for a random v of -1 and 1 (Freivalds, 1977).

The host knows A and B, for it made them, and works in float64 with sums of products, not with the library's product: a
device that returns garbage, or nothing, has no part in the check.

Rounding: entries of A and B are independent with mean 0, so that an entry of C has variance n and each of its n
additions errs by at most u_acc of a partial sum whose variance grows with it. In all a row of C errs, in the 2-norm and
relative to the row, by u_out + u_acc sqrt(n/2) (Higham and Mary, 2020, for random data). Times a random v of signs
that is the standard deviation of the row's difference; LARGEST of them are allowed. A garbage row differs by about 1.
"""

from __future__ import annotations

import math
from typing import Any

#: Unit roundoff of what is written out and of the accumulator. fp8 is written as bf16, and accumulated in at least
#: 13 bits on hardware that has it. bf16 and fp16 are rounded once, and may be reduced once more in their own precision;
#: what is rounded to the nearest errs by its unit over the root of three, taken as a standard deviation.
ROUNDING: dict[str, tuple[float, float]] = {
    "fp32": (2.0**-24, 2.0**-24),
    "bf16": (2.0**-8 * (2 / 3) ** 0.5, 2.0**-24),
    "fp16": (2.0**-11 * (2 / 3) ** 0.5, 2.0**-24),
    "fp8": (2.0**-8 * (2 / 3) ** 0.5, 2.0**-13),
}
LARGEST = 6.0
#: Rows of C that are checked at most; which ones is drawn anew each time.
MOST_ROWS = 1024


def allowed(name: str, n: int) -> float:
    """Return how much of its norm a row may differ by, for products of size n in the precision `name`."""
    out, accumulated = ROUNDING[name]
    return LARGEST * (out + accumulated * math.sqrt(n / 2))


def wrong_by(torch: Any, product: Any, left: Any, right: Any, generator: Any) -> float:
    """Return the largest difference of a row of C, relative to the row's expected norm; infinite where C is not finite.

    `product` is C = A Bt' (m x n), on any device. The other two are on the host: the rows of A are those of `left`
    (r x k) over and over, and those of Bt (n x k) those of `right` (s x k).
    """
    m, n = product.shape
    rows = torch.randperm(m, generator=generator)[:MOST_ROWS].sort().values
    signs = torch.randint(0, 2, (n,), generator=generator).double() * 2 - 1
    small, a = right.double(), left[rows % left.shape[0]].double()
    folded = signs.view(-1, small.shape[0]).sum(0)
    expected = (a * (small * folded[:, None]).sum(0)).sum(1)
    # picked on the device, so that a large product does not travel whole
    got = (product[rows.to(product.device)].cpu().double() * signs).sum(1)
    size = a.square().sum(1).sqrt() * small.square().mean().sqrt() * math.sqrt(n)
    differences = ((got - expected).abs() / size).tolist()
    return max((each if math.isfinite(each) else math.inf for each in differences), default=math.inf)
