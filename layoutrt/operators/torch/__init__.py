"""The operators in torch, one module each: reference (the oracle of all tests), custom op, autograd and fake.

`ConvToImage` is for inference and its custom op has no gradient; a quantized operator has no custom op.
"""
