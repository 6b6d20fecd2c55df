"""Every kernel once on small odd shapes, as a program for compute-sanitizer."""

from __future__ import annotations

import torch

from tests.support.cuda import gpu_cases

SHAPES = ({"n": 2, "c": 17, "height": 9, "width": 13}, {"n": 1, "c": 32, "height": 16, "width": 24})


def main() -> None:
    """Run them, and compare."""
    gpu = torch.device("cuda")
    for dtype in gpu_cases.FLOATING.values():
        for shape in SHAPES:
            cases = [
                gpu_cases.varying(gpu, dtype, **shape, k=3, affine=True),
                gpu_cases.layout(gpu, dtype, **shape, count=20, k=3, stride=1),
                gpu_cases.layout(gpu, dtype, **shape, count=20, k=3, stride=2, label_type=torch.int32),
            ]
            for p in (1, 3):
                for by_pixel in (False, True):
                    predictor = {**shape, "j": 24, "p": p, "affine": True, "by_pixel": by_pixel}
                    cases.append(gpu_cases.predicted(gpu, dtype, **predictor))
                    cases.append(gpu_cases.quantized(gpu, dtype, **predictor))
                cases.append(gpu_cases.quantized(gpu, dtype, **shape, j=40, p=p, affine=False, levels=True))
            for case in cases:
                gpu_cases.assert_close(case.run(), case.expect())
    torch.cuda.synchronize()
    print("compared")


if __name__ == "__main__":
    main()
