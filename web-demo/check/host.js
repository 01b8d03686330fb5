// The browser, and a web host as plain as they come: the files of a folder, their types, and no special header.
"use strict";
const fs = require("node:fs");
const http = require("node:http");
const path = require("node:path");

// Most hosts know .wasm; this one does not, so that the page is seen to do without.
const TYPES = { ".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml",
  ".webmanifest": "application/manifest+json" };

// How the browser is started.
exports.BROWSER = {
  executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
  headless: true,
  args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
};

// Serves `folder` below `/some/place/`, as a page of a larger site would be; resolves to { address, requests, close }.
exports.serve = folder => new Promise(resolve => {
  const requests = [];
  const server = http.createServer((request, reply) => {
    const name = new URL(request.url, "http://host").pathname.replace(/^\/some\/place\//, "/");
    const file = path.join(folder, name === "/" ? "index.html" : path.basename(name));
    requests.push(name);
    fs.readFile(file, (error, bytes) => {
      if (error) {
        reply.writeHead(404).end();
        return;
      }
      reply.writeHead(200, { "Content-Type": TYPES[path.extname(file)] || "application/octet-stream",
        "Content-Length": bytes.length });
      reply.end(bytes);
    });
  });
  server.listen(0, "127.0.0.1", () => resolve({
    address: `http://127.0.0.1:${server.address().port}/some/place/`,
    requests,
    close: () => new Promise(done => {
      server.closeAllConnections();
      server.close(done);
    }),
  }));
});
