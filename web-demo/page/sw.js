// The page without a connection: every file is kept on the first visit and answered from there. A new version is
// fetched as a whole, checked file by file, and takes over when the last tab with the old one is closed.
"use strict";
importScripts("module.js");

// `build` fills in both: a digest of all files, and the digest of each.
const VERSION = "@VERSION@";
const FILES = { /* @FILES@ */ };

// A host may have several such pages in folders of their own.
const OURS = `photo ${registration.scope} `;
const CACHE = OURS + VERSION;

async function keep(cache, name, integrity) {
  const put = async options => {
    const reply = await fetch(name, { integrity, ...options });
    if (!reply.ok) throw new Error(`${name}: ${reply.status}`);
    await cache.put(name, reply);
  };
  try {
    await put({});
  } catch {
    // The browser's own cache may hold an older version.
    await put({ cache: "reload" });
  }
}

addEventListener("install", event => event.waitUntil((async () => {
  const cache = await caches.open(CACHE);
  const used = Object.entries(FILES).filter(([name]) => !name.endsWith(".wasm") || name === MODULE);
  await Promise.all(used.map(([name, integrity]) => keep(cache, name, integrity)));
})()));

addEventListener("activate", event => event.waitUntil((async () => {
  const old = (await caches.keys()).filter(name => name.startsWith(OURS) && name !== CACHE);
  await Promise.all(old.map(name => caches.delete(name)));
  await clients.claim();
})()));

addEventListener("fetch", event => {
  const { request } = event;
  if (request.method !== "GET" || !request.url.startsWith(registration.scope)) return;
  event.respondWith((async () => {
    const cache = await caches.open(CACHE);
    const name = request.mode === "navigate" ? "./" : request;
    return (await cache.match(name, { ignoreSearch: true })) || fetch(request);
  })());
});
