"""Speech recognisers from scratch: four kinds of input, eight kinds of net, one loss (CTC)."""
