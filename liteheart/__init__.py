"""The kernel: the vocabulary that every room imports and that imports none of them. numpy only, no side effects."""
