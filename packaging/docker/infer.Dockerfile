# Classification on a CPU: infer-cli with its model, on a bare base.
#
#   docker build -f packaging/docker/infer.Dockerfile -t resnet50-toolkit/infer .
#   docker run --rm -v "$PWD/photos:/photos:ro" resnet50-toolkit/infer /photos --json
#   docker run --rm -p 127.0.0.1:8750:8750 resnet50-toolkit/infer serve --listen 0.0.0.0:8750
FROM rust:1.95-slim-bookworm AS build
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN cargo build --locked --profile dist -p infer-cli

# glibc and libgcc, a user without rights, and nothing else.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /source/target/dist/infer-cli /usr/bin/infer-cli
COPY LICENSE-MIT LICENSE-APACHE models/efficientnet-lite0/LICENSE /usr/share/doc/infer-cli/
EXPOSE 8750
ENTRYPOINT ["/usr/bin/infer-cli"]
CMD ["--help"]
