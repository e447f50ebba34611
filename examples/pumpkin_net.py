"""PumpkinNet in PyTorch: loads `models/RUN_ID.safetensors` of a results folder and predicts ages.

    python examples/pumpkin_net.py results/quickstart/models/RUN_ID.safetensors images.npy
"""
import sys

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn.functional import max_pool2d, pad


class PumpkinNet(nn.Module):
    """Five convolutions with SAME padding (3 x 3, the last 1 x 1), each with ReLU and a max-pool of 3 x 3 with stride 2 and SAME padding."""

    def __init__(self, filters=(16, 16, 32, 64, 32), units=64, side=4):
        super().__init__()
        for block, (before, after) in enumerate(zip((1, *filters), filters), start=1):
            setattr(self, f"conv{block}", nn.Conv2d(before, after, 3 if block < 5 else 1, padding="same"))
        self.dense, self.output = nn.Linear(filters[-1] * side * side, units), nn.Linear(units, 1)

    def forward(self, images):
        """Ages in years, [n], of images [n, 1, 98, 98]."""
        for block in range(1, 6):
            images = getattr(self, f"conv{block}")(images).relu()
            # SAME: an even side gets a pixel behind it, an odd one a pixel on either side. Padding of 1 at even sides would shift.
            odd_rows, odd_cols = (side % 2 for side in images.shape[2:])
            images = max_pool2d(pad(images, (odd_cols, 1, odd_rows, 1), value=-torch.inf), 3, stride=2)
        return self.output(self.dense(images.flatten(1)).relu())[:, 0]


if __name__ == "__main__":
    network = PumpkinNet()
    network.load_state_dict(load_file(sys.argv[1]))
    images = torch.from_numpy(np.load(sys.argv[2]).astype(np.float32)).reshape(-1, 1, 98, 98)
    with torch.no_grad():
        print(*network(images).tolist(), sep="\n")
