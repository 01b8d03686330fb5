# Training on NVIDIA GPUs: train with the CUDA set of libtorch, and export-onnx beside it.
#
#   docker build -f packaging/docker/train.Dockerfile -t resnet50-toolkit/train .
#   docker run --rm --gpus all --ipc host -v /data/imagenet:/data:ro -v "$PWD/runs:/work/runs" resnet50-toolkit/train --data /data --epochs 90
FROM rust:1.95-bookworm AS build
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ python3 python3-pip \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/resnet50-toolkit
COPY . .
RUN scripts/setup --cuda && cargo build --locked --release -p train -p export

# The CUDA libraries come with libtorch; the driver comes from the host.
FROM debian:bookworm-slim
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates fontconfig libgomp1 libstdc++6 \
    && rm -rf /var/lib/apt/lists/*
# The same path as in the build: the program finds libtorch by the path it was linked with.
COPY --from=build /opt/resnet50-toolkit/.libtorch /opt/resnet50-toolkit/.libtorch
COPY --from=build /opt/resnet50-toolkit/target/release/train /opt/resnet50-toolkit/target/release/export-onnx /usr/local/bin/
COPY LICENSE-MIT LICENSE-APACHE /usr/share/doc/resnet50-toolkit/
WORKDIR /work
ENTRYPOINT ["/usr/local/bin/train"]
CMD ["--help"]
