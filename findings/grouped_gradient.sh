#!/usr/bin/env bash
# python3-torch 1.13.1+dfsg-4 with libdnnl2 2.6.3-1 (Debian 12: LibTorch with oneDNN), on a processor with AVX-512 BF16
#
# Expected: the gradient of a grouped convolution's weights in bf16 runs in the same kind of kernel as its result and the gradient of its
# input, whatever the order of the channels in memory is.
# Seen: with 4 groups of 24 channels and contiguous (NCHW) memory, the result and the gradient of the input run in oneDNN's jit_bf16 kernel,
# but the gradient of the weights falls back to "gemm:jit", group by group. In fp32 it does not, with one group it does not, and with channels
# last it does not: then it is jit_bf16, too.
# What it means for Vedette: the decoders of all folds are one grouped network. It is trained with channels last, which alone makes a step more
# than twice as fast; a profile of the forward pass does not show this.
#
# This script ends with 0 as long as the packages behave so. It needs Debian 12 on x86-64 and its package archive. On a processor without
# AVX-512 BF16 it says so and ends with 0.
set -euo pipefail
grep -q avx512_bf16 /proc/cpuinfo || { echo "This processor has no AVX-512 BF16; there is nothing to see here."; exit 0; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/packages"
cd "$folder/packages"
wanted=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances python3-torch=1.13.1+dfsg-4 |
  grep '^[a-z0-9]' | sort -u | grep -v -e '^libc6$' -e '^libc-bin$' -e '^debconf' -e '^dpkg' -e '^perl-base$' -e ':i386$')
for package in $wanted; do apt-get download "$package" >/dev/null 2>&1 || true; done  # Purely virtual packages have no file.
ls | grep -q '^libdnnl2_2.6.3-1_' || { echo "libdnnl2 is another version:"; ls | grep libdnnl2; exit 1; }
for package in *.deb; do dpkg -x "$package" "$folder/root"; done
cat >"$folder/convolve.py" <<'PY'
import torch
torch.set_num_threads(1)
def learn(groups, kind, order, name):
    x = torch.ones(8, groups * 24, 32, 32).to(kind).to(memory_format=order).requires_grad_()
    layer = torch.nn.Conv2d(groups * 24, groups * 24, 3, padding=1, groups=groups).to(kind).to(memory_format=order)
    print("case", name, flush=True)
    layer(x).sum().backward()
learn(4, torch.bfloat16, torch.contiguous_format, "groups-bf16-contiguous")
learn(1, torch.bfloat16, torch.contiguous_format, "one-bf16-contiguous")
learn(4, torch.float32, torch.contiguous_format, "groups-fp32-contiguous")
learn(4, torch.bfloat16, torch.channels_last, "groups-bf16-channels-last")
PY
site=$(dirname "$(find "$folder/root" -type d -path '*-packages/torch' | head -1)")
libraries=$(find "$folder/root" -name '*.so.*' -not -path '*-packages/*' -printf '%h\n' | sort -u | paste -sd:)
python=$(find "$folder/root" -path '*bin/python3.11' | head -1)
seen=$(LD_LIBRARY_PATH="$libraries" PYTHONHOME="$(dirname "$(dirname "$python")")" PYTHONPATH="$site" DNNL_VERBOSE=1 "$python" "$folder/convolve.py" 2>/dev/null |
  awk -F, '/^case/ { name = substr($0, 6) } /,convolution,/ { print name, $6, $5 }')
echo "$seen"
kernel() { awk -v name="$1" -v step="$2" '$1 == name && $2 == step { print $3 }' <<<"$seen"; }
[[ $(kernel groups-bf16-contiguous forward_training) == jit_bf16:* ]]
[[ $(kernel groups-bf16-contiguous backward_data) == jit_bf16:* ]]
[[ $(kernel groups-bf16-contiguous backward_weights) == *gemm:jit ]]
[[ $(kernel one-bf16-contiguous backward_weights) == jit_bf16:* ]]
[[ $(kernel groups-fp32-contiguous backward_weights) == jit:* ]]
[[ $(kernel groups-bf16-channels-last backward_weights) == jit_bf16:* ]]
