# syntax=docker/dockerfile:1
# docker build -t etl-runner .
# docs/releases.md shows how to run it.

FROM rust:1.95-slim-bookworm AS build
# A C compiler for the compression and allocator crates; nothing else is needed.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends gcc libc6-dev make \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY . .
# Which commit it is; the context has no repository.
ARG COMMIT
ARG COMMIT_DATE
# The target folder is a cache mount, so the program is copied out of it in the same step.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    ETL_RUNNER_COMMIT="$COMMIT" ETL_RUNNER_COMMIT_DATE="$COMMIT_DATE" \
    CARGO_INCREMENTAL=0 cargo build --release --locked --bin etl-runner \
 && cp target/release/etl-runner /etl-runner

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin etl
COPY --from=build /etl-runner /usr/local/bin/etl-runner
COPY LICENSE /usr/share/doc/etl-runner/LICENSE
USER 10001
WORKDIR /tmp
ENTRYPOINT ["etl-runner"]
CMD ["--help"]
