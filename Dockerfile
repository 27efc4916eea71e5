# Amends in one image: the API by default; with EXTRAS="serve" it can run the model as well.
# The same lock files and set-up as `make demo`, a non-root user, a health check.
#   docker build -t amends .                                    the API, widget, desk and insights
#   docker build -t amends-serve --build-arg EXTRAS=serve .     the same and the model server
ARG BASE=docker.io/library/python:3.11-slim-bookworm

FROM ${BASE} AS build
ARG EXTRAS=""
ENV PIP_NO_CACHE_DIR=1
WORKDIR /app
# Packages first: they change less often than the code.
COPY requirements/ requirements/
COPY tools/setup.py tools/
RUN python3 tools/setup.py base postgres ${EXTRAS} --without-project
COPY . .
# The image's user cannot write here, so modules are compiled now (a few templates are no Python).
RUN python3 tools/setup.py base postgres ${EXTRAS} && (.venv/bin/python -m compileall -q -j 0 . .venv/lib || true)

FROM ${BASE}
ARG EXTRAS=""
# vLLM compiles the model's graph where it finds a compiler; answers come faster then.
RUN case " ${EXTRAS} " in *" serve "*) \
        apt-get update -qq && apt-get install -y -qq --no-install-recommends g++ libnuma1 >/dev/null && \
        rm -rf /var/lib/apt/lists/* ;; esac
RUN useradd --uid 10001 --create-home amends && mkdir /data && chown amends /data
COPY --from=build /app /app
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1 ANONYMIZED_TELEMETRY=False \
    AMENDS_DATA=/data AMENDS_HOST=0.0.0.0 AMENDS_PORT=8080
# All it writes, and where it looks for amends.toml.
WORKDIR /data
VOLUME /data
USER 10001
EXPOSE 8080
# A first start reads the documents into the index, and may fetch and convert a model, before it serves.
HEALTHCHECK --interval=10s --timeout=3s --start-period=900s --retries=6 \
    CMD python3 /app/tools/healthy.py "http://127.0.0.1:${AMENDS_PORT}/healthz"
CMD ["amends", "up"]
