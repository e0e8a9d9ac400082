"""The losses against plain loops."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from training.losses import distillation, many_positive_info_nce, nearest_window, relation, same_label, spread


def unit(rows: int, seed: int) -> torch.Tensor:
    return normalize(torch.randn(rows, 6, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_info_nce_equals_the_loop_over_rows_and_positives() -> None:
    rows, columns = unit(5, 1), unit(7, 2)
    labels, others = torch.tensor([0, 1, 2, -1, 9]), torch.tensor([1, 0, 0, 2, 3, -1, 1])
    allowed = torch.ones(5, 7, dtype=torch.bool)
    allowed[0, 1] = False
    terms = []
    for i in range(5):
        shares = {j: math.exp(float(rows[i] @ columns[j]) / 0.2) for j in range(7) if allowed[i, j]}
        wanted = [j for j in shares if labels[i] >= 0 and labels[i] == others[j]]
        if wanted:
            terms.append(-sum(math.log(shares[j] / sum(shares.values())) for j in wanted) / len(wanted))
    loss = many_positive_info_nce(rows @ columns.T, same_label(labels, others), allowed, 0.2)
    assert float(loss) == pytest.approx(sum(terms) / len(terms), rel=1e-5)


def test_info_nce_without_any_positive_is_zero_and_differentiable() -> None:
    rows = unit(3, 1).requires_grad_()
    nobody = torch.zeros(3, 3, dtype=torch.bool)
    loss = many_positive_info_nce(rows @ rows.T, nobody, ~torch.eye(3, dtype=torch.bool), 0.1)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == 0.0
    assert rows.grad is not None
    assert torch.isfinite(rows.grad).all()


def test_distillation_and_relation_vanish_for_the_teacher_itself() -> None:
    teacher = unit(6, 3)
    assert float(distillation(teacher, teacher)) == pytest.approx(0.0, abs=1e-6)
    assert float(relation(teacher, teacher)) == pytest.approx(0.0, abs=1e-9)
    assert float(relation(unit(6, 4), teacher)) > 0.01


def test_spread_prefers_vectors_far_apart_and_ignores_the_own_group() -> None:
    groups = torch.tensor([0, 0, 1, 1])
    together = normalize(
        torch.ones(4, 6) + 0.01 * torch.randn(4, 6, generator=torch.Generator().manual_seed(0)), dim=-1
    )
    apart = torch.eye(6)[[0, 0, 1, 1]]
    assert float(spread(apart, groups)) < float(spread(together, groups))
    assert float(spread(apart, groups)) == pytest.approx(-0.5 * math.log(2.0))


def test_the_nearest_window_is_found_and_learns_alone() -> None:
    windows = normalize(torch.randn(3, 4, 6, generator=torch.Generator().manual_seed(5)), dim=-1).requires_grad_()
    others = unit(5, 6)
    cosines, which = nearest_window(windows, others)
    for picture in range(3):
        for other in range(5):
            each = [float(windows[picture, k].detach() @ others[other]) for k in range(4)]
            assert float(cosines[picture, other].detach()) == pytest.approx(max(each), abs=1e-6)
            assert int(which[picture, other]) == each.index(max(each))
    cosines[1, 2].backward()  # type: ignore[no-untyped-call]
    assert windows.grad is not None
    moved = windows.grad.abs().sum(dim=2).nonzero().tolist()
    assert moved == [[1, int(which[1, 2])]]
