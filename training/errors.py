"""What the training side refuses, as exceptions whose message tells what to do."""


class TrainingError(Exception):
    """Base of every error that training raises on purpose."""


class ExportRefused(TrainingError):
    """A model that cannot be exported as asked, or whose bundle did not pass the parity gate: nothing is written."""


class WeightsUnavailable(TrainingError):
    """Weights or a tokenizer that are not here and could not be downloaded; the message tells where to put them."""
