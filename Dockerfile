# The platform with its pinned packages. Not built in continuous integration; see docs/operations.md.

FROM python:3.11-slim AS packages
WORKDIR /app
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY agristat_platform agristat_platform
COPY assets assets
COPY resources resources
# editable, as everywhere: the code location and config/ are read from the checkout
RUN pip install --no-cache-dir -c constraints.txt -e .

FROM python:3.11-slim
# the raster library in the wheels needs expat, which slim images leave out
RUN apt-get update \
    && apt-get install -y --no-install-recommends libexpat1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home agristat \
    && mkdir -p /var/lib/agristat \
    && chown agristat: /var/lib/agristat
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY --from=packages --chown=agristat: /app /app
COPY --chown=agristat: config config
COPY --chown=agristat: dagster.yaml workspace.yaml ./
ARG GIT_COMMIT=
ENV PATH=/opt/venv/bin:$PATH \
    AGRISTAT_HOME=/var/lib/agristat \
    AGRISTAT_GIT_COMMIT=$GIT_COMMIT \
    NUMBA_CACHE_DIR=/var/lib/agristat/kernels
USER agristat
VOLUME /var/lib/agristat
EXPOSE 3000
# 0.0.0.0 inside the container: publish the port on 127.0.0.1, the UI has no login
CMD ["agristat", "up", "--host", "0.0.0.0"]
