"""Networks of CC-FPSE, data sets, losses and training. Needs the ``train`` extra (torch)."""
