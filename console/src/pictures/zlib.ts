// zlib streams (RFC 1950) by the browser's own streams, which are there without a secure context, too.

/** Compresses. */
export async function deflate(bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  return collect(pump(new CompressionStream('deflate'), [bytes]), Infinity);
}

/** Expands the parts of one stream. Reads at most `limit` bytes, so that a small file cannot fill the memory; what follows is left out. */
export async function inflate(parts: readonly Uint8Array[], limit: number): Promise<Uint8Array<ArrayBuffer>> {
  return collect(pump(new DecompressionStream('deflate'), parts), limit);
}

function pump(stream: CompressionStream | DecompressionStream, parts: readonly Uint8Array[]): ReadableStream<Uint8Array> {
  const writer = stream.writable.getWriter();
  void (async () => {
    for (const part of parts) await writer.write(part as Uint8Array<ArrayBuffer>);
    await writer.close();
  })().catch(() => {
    // The reader of the other end learns of it.
  });
  return stream.readable as ReadableStream<Uint8Array>;
}

async function collect(stream: ReadableStream<Uint8Array>, limit: number): Promise<Uint8Array<ArrayBuffer>> {
  const reader = stream.getReader();
  const parts: Uint8Array[] = [];
  let size = 0;
  while (size < limit) {
    const { done, value } = await reader.read();
    if (done) break;
    const part = value.subarray(0, limit - size);
    parts.push(part);
    size += part.length;
  }
  // Data behind the limit are not read. An error in them does not matter.
  if (size >= limit) void reader.cancel().catch(() => {});
  const out = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
