# Scrollback in a container. Node 24 (Debian slim): Node 20 is past its end of life, and the embedded PostgreSQL needs
# glibc. Give it a DATABASE_URL, or a volume at /data for the embedded database.

FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
RUN npm run build && npm prune --omit=dev

FROM node:24-bookworm-slim
LABEL org.opencontainers.image.title="Scrollback" \
      org.opencontainers.image.description="A cache-first store for chats and messages" \
      org.opencontainers.image.licenses="MIT"
ENV NODE_ENV=production \
    HOST=0.0.0.0 \
    PORT=3000 \
    SCROLLBACK_DATA_DIR=/data/scrollback
WORKDIR /app
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist/src ./dist/src
COPY --from=build /app/dist/ormconfig.js ./dist/ormconfig.js
COPY --from=build /app/bin ./bin
COPY --from=build /app/samples ./samples
COPY --from=build /app/scripts/build-if-needed.mjs ./scripts/build-if-needed.mjs
COPY --from=build /app/package.json ./package.json
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health/live`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# Signals reach Node itself, which ends gracefully; it starts no processes that would need an init to be reaped but the
# embedded database, which it reaps.
CMD ["node", "bin/scrollback.mjs", "serve"]
