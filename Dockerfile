# The pages' packages, as the lock names them.
FROM node:24-slim AS pages
WORKDIR /hub/static
COPY static/package.json static/package-lock.json static/.npmrc ./
RUN npm ci --ignore-scripts --omit=dev

# The Python packages, in an environment that can be carried over whole.
FROM python:3.13-slim AS packages
WORKDIR /hub
RUN python -m venv /hub/.venv
COPY pyproject.toml ./
COPY hub hub
COPY handlers handlers
COPY storage storage
RUN .venv/bin/pip install --no-cache-dir --disable-pip-version-check --editable .

FROM python:3.13-slim
RUN useradd --system --home-dir /hub --shell /usr/sbin/nologin hub
WORKDIR /hub
COPY --from=packages /hub /hub
COPY static static
COPY --from=pages /hub/static/node_modules static/node_modules
RUN mkdir var && chown hub: var
USER hub
ENV HUB_ENV=production HUB_DATA=/hub/var PATH=/hub/.venv/bin:$PATH PYTHONUNBUFFERED=1
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health', timeout=2)"]
CMD ["python", "-m", "hub", "serve"]
