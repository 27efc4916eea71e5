# Amends in one image: the API by default; with EXTRAS="serve" it can run the model as well.
# The same lock files as `make demo`, a non-root user, a health check.
ARG BASE=docker.io/library/python:3.11-slim-bookworm
FROM ${BASE} AS build
ARG EXTRAS=""
# Where PyTorch's CPU builds are, when pip's own places have none (only for EXTRAS="serve").
ARG TORCH_INDEX="https://download.pytorch.org/whl/cpu"
WORKDIR /app
RUN python3 -m venv /app/.venv
COPY requirements/ requirements/
RUN set -e; files="-r requirements/base.txt -r requirements/postgres.txt"; \
    for extra in ${EXTRAS}; do files="$files -r requirements/$extra.txt"; done; \
    index=""; case " ${EXTRAS} " in *" serve "*) index="--extra-index-url ${TORCH_INDEX}";; esac; \
    .venv/bin/pip install --no-cache-dir --quiet --no-deps --require-hashes $index $files
COPY pyproject.toml README.md LICENSE ./
COPY agent/ agent/
COPY retrieval/ retrieval/
COPY retention/ retention/
COPY serving/ serving/
COPY finetune/ finetune/
COPY evals/ evals/
COPY demo/ demo/
RUN .venv/bin/pip install --no-cache-dir --quiet --no-deps --no-build-isolation --no-index -e .

FROM ${BASE}
RUN useradd --system --uid 10001 --create-home amends && mkdir /data && chown amends /data
COPY --from=build /app /app
WORKDIR /app
ENV PATH=/app/.venv/bin:$PATH AMENDS_DATA=/data AMENDS_HOST=0.0.0.0 PYTHONUNBUFFERED=1
USER amends
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=120s --retries=6 \
    CMD python3 -c "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"
CMD ["amends", "up"]
