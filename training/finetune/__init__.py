"""Fine-tunes an encoder on a frozen data set: a market's references, known fakes and appraised listings."""
