# Seatrial with a server of its own. Built from a clone:   docker build -t seatrial .
# Used on a project:   docker run --rm -v "$PWD:/project:ro" -v seatrial-cache:/var/cache/seatrial seatrial check …
# Reports go to standard output; a folder for --out is mounted where the user of the image may write.
FROM rust:1-trixie AS build
WORKDIR /build
COPY Cargo.toml Cargo.lock askama.toml ./
COPY src src
# The manifest names the benches, and `seatrial explain` shows the examples.
COPY benches benches
COPY docs/examples docs/examples
RUN cargo build --release --locked

FROM debian:trixie-slim
COPY scripts/install-postgres.sh /usr/local/lib/seatrial/install-postgres.sh
# The server and its client programs of this Debian, and git, which knows what a branch adds. A repository that is mounted
# belongs to somebody else than the image's user; it is the only one there is.
RUN /usr/local/lib/seatrial/install-postgres.sh --yes \
    && apt-get install -y -qq --no-install-recommends git ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && git config --system --add safe.directory '*' \
    && useradd --system --create-home seatrial \
    && install -d -o seatrial -g seatrial -m 0700 /var/cache/seatrial
COPY --from=build /build/target/release/seatrial /usr/local/bin/seatrial
ENV SEATRIAL_CACHE_DIR=/var/cache/seatrial
# Restored copies of your data: kept in a volume of your own, or gone with the container.
VOLUME /var/cache/seatrial
USER seatrial
WORKDIR /project
ENTRYPOINT ["seatrial"]
CMD ["--help"]
