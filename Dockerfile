# The packages that run, without those that build and test. The image has a Node of its own.
FROM node:24.21.0-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --omit=optional --no-audit --no-fund

FROM node:24.21.0-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=packages /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY core ./core
COPY config ./config
COPY plugins ./plugins
COPY proto ./proto
# SQLITE_PATH lies here unless it says otherwise.
RUN mkdir data && chown node:node data
VOLUME /app/data
USER node
EXPOSE 50052 8080
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=6 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.HTTP_PORT ?? 8080}/readyz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "core/cli/tracker.js", "run"]
