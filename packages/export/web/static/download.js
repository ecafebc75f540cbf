// Files of this page. Their paths are relative to the page's folder, wherever it is hosted.

import { MessageError } from "./errors.js";

/** Fetch a file; throw an error that names it if that fails. */
export async function fetchFile(path) {
  const response = await fetch(new URL(path, import.meta.url)).catch(() => null);
  if (!response?.ok) throw new MessageError(`${path} could not be loaded: reload the page, or write it again.`);
  return response;
}

/** Return a file as a Uint8Array; call `onProgress` with the share loaded, 0 if the server does not send the size. */
export async function download(path, onProgress) {
  const response = await fetchFile(path);
  const total = Number(response.headers.get("Content-Length"));
  const reader = response.body.getReader();
  const chunks = [];
  let loaded = 0;
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    chunks.push(next.value);
    loaded += next.value.length;
    onProgress(total ? Math.min(loaded / total, 1) : 0);
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}
