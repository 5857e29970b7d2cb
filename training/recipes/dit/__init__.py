"""A diffusion transformer from scratch (Peebles and Xie 2023) by flow matching, drawn by the studio's `wan` family."""
