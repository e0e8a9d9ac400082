"""What a fine-tuning minimises: contrast with mined negatives in both uses, words, and nearness to the start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.finetune.batches import Batch
from training.finetune.data import Corpus
from training.finetune.relations import Relations
from training.finetune.student import Student
from training.losses import many_positive_info_nce, nearest_window, same_label

WEIGHTS: Final[Mapping[str, float]] = MappingProxyType(
    {"copy": 1.0, "product": 1.0, "text": 0.2, "keep": 4.0, "keep_text": 1.0}
)
COPY_TEMPERATURE, PRODUCT_TEMPERATURE = 0.05, 0.07
"""As the default encoder was trained with (`training/config/default.json`)."""


@dataclass(frozen=True, slots=True)
class Objective:
    """The terms of a batch; `weights` by term, those of WEIGHTS."""

    corpus: Corpus
    relations: Relations
    start_words: Mapping[str, NDArray[np.float32]]
    """The start's vector of every text that may be said."""
    weights: Mapping[str, float]

    def terms(self, student: Student, batch: Batch, held: Tensor, taught: Tensor) -> dict[str, Tensor]:
        """The named terms of one batch, unweighted; `held` and `taught` are what `Views.fed` gives.

        copy, product: InfoNCE both ways between queries, by their nearest window, and all the batch's pictures, taken
        whole; only what is known to belong together or to be apart is compared. keep: one minus the mean cosine with
        the start's vectors of unedited pictures, window by window and part by part; keep_text: the same of words. text:
        InfoNCE both ways between pictures and what is said of their brand or listing.
        """
        vectors = student.windows(held)
        taught = taught.to(vectors)
        pictures = batch.pictures
        relations = self.relations
        queries = np.arange(1, 2 * batch.pairs, 2)
        terms = {}
        for use, temperature, first, last, same, other in (
            ("copy", COPY_TEMPERATURE, 0, batch.copies, relations.same_picture, relations.other_picture),
            ("product", PRODUCT_TEMPERATURE, 0, batch.pairs, relations.same_item, relations.other_item),
        ):
            asked = queries[first:last]
            positive, negative = same(pictures[asked], pictures), other(pictures[asked], pictures)
            positive[np.arange(len(asked)), asked] = False  # itself
            parts = student.part(vectors, use)
            cosines = nearest_window(parts[torch.from_numpy(asked)], parts[:, 0])[0]
            terms[use] = _contrast(cosines, positive, negative, temperature, asked - 1)
        clean = [place for place, view in enumerate(batch.views) if view.look == "clean"]
        terms["keep"] = self._kept(student, vectors[clean], taught[clean])
        return terms | self._texts(student, batch, vectors)

    def total(self, terms: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum."""
        return torch.stack([self.weights[name] * value for name, value in terms.items()]).sum()

    def _kept(self, student: Student, vectors: Tensor, taught: Tensor) -> Tensor:
        parts = student.start.parts
        drift = [
            1 - torch.nn.functional.cosine_similarity(vectors[..., p.start : p.stop], taught[..., p.start : p.stop], -1)
            for p in parts
        ]
        return torch.stack([each.mean() for each in drift]).mean()

    def _texts(self, student: Student, batch: Batch, vectors: Tensor) -> dict[str, Tensor]:
        nothing = vectors.sum() * 0
        said = [(place, text) for place, text in batch.texts if self.relations.brand[batch.pictures[place]] >= 0]
        if not said or not self.weights["text"]:
            return {"text": nothing, "keep_text": nothing}
        places = np.array([place for place, _ in said])
        words = student.part(student.words([text for _, text in said]), "text")
        shown = student.part(vectors[torch.from_numpy(places), 0], "text")
        told = torch.from_numpy(self.relations.brand[batch.pictures[places]]).to(vectors.device)
        scale = student.model.logit_scale.exp().clamp(max=50.0)
        positive = same_label(told, told)
        table = shown @ words.T
        text = [many_positive_info_nce(t, positive, torch.ones_like(positive), 1 / scale) for t in (table, table.T)]
        start = torch.from_numpy(np.stack([self.start_words[text] for _, text in said])).to(words)
        return {"text": (text[0] + text[1]) / 2, "keep_text": 1 - (words * start).sum(dim=1).mean()}


def _contrast(
    cosines: Tensor,
    positive: NDArray[np.bool_],
    negative: NDArray[np.bool_],
    temperature: float,
    back: NDArray[np.int64],
) -> Tensor:
    """Both ways: rows with all columns, and the columns `back`, which are the rows' own references, with the rows."""
    wanted = torch.from_numpy(positive).to(cosines.device)
    allowed = torch.from_numpy(positive | negative).to(cosines.device)
    forth = many_positive_info_nce(cosines, wanted, allowed, temperature)
    columns = torch.from_numpy(back)
    return (
        forth + many_positive_info_nce(cosines[:, columns].T, wanted[:, columns].T, allowed[:, columns].T, temperature)
    ) / 2
