"""bank.py: who says yes to a deposit when called. There are no functions: the declaration is the whole model."""

from loopwright import Gate, Model

model = Model(
    "bank-marketing",
    source="data/*.csv",
    target="y",
    order="rows",  # the calls are in their order, but have no date
    label_delay="1d",  # how a call ends is not known before the next ones are made
    drop=["duration"],  # known only once the call is over
    gate=Gate("roc_auc", at_least=0.6),
)
