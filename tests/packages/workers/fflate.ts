// Archives and streams of bytes, there and back, and against the platform's own.
import * as fflate from 'fflate';

const text = 'Doch jeder Jubel hat sein Ende. '.repeat(500) + '👩‍💻';
const bytes = fflate.strToU8(text);
const through = async (data: Uint8Array, stream: ReadableWritablePair<Uint8Array, BufferSource>) =>
  new Uint8Array(await new Response(new Blob([data as BlobPart]).stream().pipeThrough(stream)).arrayBuffer());
const same = (a: Uint8Array, b: Uint8Array) => a.length === b.length && a.every((byte, at) => byte === b[at]);
const hex = (data: Uint8Array) => [...data].map((byte) => byte.toString(16).padStart(2, '0')).join('');

const pairs = {
  gzip: [fflate.gzipSync, fflate.gunzipSync],
  deflate: [fflate.zlibSync, fflate.unzlibSync],
  'deflate-raw': [fflate.deflateSync, fflate.inflateSync],
} as const;

function zipped() {
  const options = { mtime: new Date(2024, 1, 29), level: 9 } as const;
  const zip = fflate.zipSync(
    { 'a.txt': bytes, dir: { 'b.bin': [new Uint8Array([0, 1, 255]), { level: 0 }], 'ünï.txt': fflate.strToU8('x') } },
    options,
  );
  const back = fflate.unzipSync(zip, { filter: (file) => file.name !== 'dir/b.bin' });
  return {
    size: zip.length,
    hex: hex(zip.subarray(0, 64)),
    names: Object.keys(fflate.unzipSync(zip)),
    filtered: Object.keys(back),
    same: same(back['a.txt'], bytes),
  };
}

function streamed() {
  const pieces: Uint8Array[] = [];
  const names: string[] = [];
  const unzip = new fflate.Unzip((file) => {
    names.push(file.name);
    file.ondata = (error, data) => {
      if (error) throw error;
      pieces.push(data);
    };
    file.start();
  });
  unzip.register(fflate.UnzipInflate);
  const zip = new fflate.Zip((error, data, final) => {
    if (error) throw error;
    unzip.push(data, final);
  });
  const file = new fflate.ZipDeflate('streamed.txt', { level: 6 });
  zip.add(file);
  for (let at = 0; at < bytes.length; at += 1000) file.push(bytes.subarray(at, at + 1000), at + 1000 >= bytes.length);
  zip.end();
  return {
    names,
    same: pieces.map((piece) => fflate.strFromU8(piece, true)).join('') === fflate.strFromU8(bytes, true),
  };
}

export default {
  async fetch() {
    const both: Record<string, unknown> = {};
    for (const [format, [pack, unpack]] of Object.entries(pairs)) {
      const packed = pack(bytes, { mtime: 0 } as object);
      const theirs = await through(bytes, new CompressionStream(format as CompressionFormat));
      const back = await through(packed, new DecompressionStream(format as CompressionFormat));
      both[format] = {
        size: packed.length,
        round: same(unpack(packed), bytes),
        read: same(back, bytes),
        written: same(unpack(theirs), bytes),
      };
    }
    let broken;
    try {
      fflate.gunzipSync(bytes);
    } catch (error) {
      broken = [(error as fflate.FlateError).code, (error as Error).message];
    }
    const roundabout = fflate.decompressSync(fflate.compressSync(bytes));
    return Response.json({
      both,
      zipped: zipped(),
      streamed: streamed(),
      broken,
      roundabout: fflate.strFromU8(roundabout) === text,
    });
  },
};
