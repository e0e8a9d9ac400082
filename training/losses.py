"""What the encoder is trained to minimise: contrast with several positives, distillation and an even spread."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def many_positive_info_nce(cosines: Tensor, positive: Tensor, allowed: Tensor, temperature: Tensor | float) -> Tensor:
    """InfoNCE with any number of positives a row (supervised contrastive, "out" form, arXiv:2004.11362).

    `cosines` (n, m) of rows with columns; `positive` and `allowed` are boolean (n, m), the second naming the columns a
    row is compared with. Rows without a positive do not count; 0 if none counts.
    """
    logits = (cosines / temperature).masked_fill(~allowed, -torch.inf)
    log_share = logits - torch.logsumexp(logits, dim=1, keepdim=True)
    wanted = positive & allowed
    count = wanted.sum(dim=1)
    each = -log_share.masked_fill(~wanted, 0.0).sum(dim=1) / count.clamp(min=1)
    return (each * (count > 0)).sum() / (count > 0).sum().clamp(min=1)


def nearest_window(windows: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Best cosine (n, m) of a picture's windows (n, k, d) with other vectors (m, d), and which window (n, m) it was.

    What a mark in a corner or a picture within a picture is found by: learning from the best of several windows is
    multiple-instance learning.
    """
    best = torch.einsum("nkd,md->nmk", windows, others).max(dim=2)
    return best.values, best.indices


def same_label(labels: Tensor, others: Tensor) -> Tensor:
    """Boolean (n, m): equal labels, where a negative label equals nothing."""
    return (labels[:, None] == others[None, :]) & (labels >= 0)[:, None] & (others >= 0)[None, :]


def distillation(student: Tensor, teacher: Tensor) -> Tensor:
    """One minus the mean cosine of unit vectors (n, d) with the teacher's."""
    return 1.0 - (student * teacher).sum(dim=1).mean()


def relation(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared difference between the two tables of cosines (n, n), off the diagonal (relational distillation,
    arXiv:1904.05068).
    """
    own, wanted = student @ student.T, teacher @ teacher.T
    off = ~torch.eye(len(own), dtype=torch.bool, device=own.device)
    return F.mse_loss(own[off], wanted[off])


def spread(vectors: Tensor, groups: Tensor) -> Tensor:
    """Kozachenko-Leonenko entropy term of SSCD (arXiv:2202.10261): minus the mean log distance to the nearest other
    group's vector.
    """
    cosine = (vectors @ vectors.T).masked_fill(groups[:, None] == groups[None, :], -1.0)
    nearest = cosine.max(dim=1).values.clamp(max=1.0 - 1e-4)
    return -0.5 * torch.log(2.0 - 2.0 * nearest).mean()
