// Relevance as colours, the same as in the files of heatmaps.
const OPACITY = 0.2;
const INTENSITY = 5;
const ramp = (t, start, width) => Math.min(Math.max(t - start, 0), width) / width;

// The colour bar's colour of v from -1 to 1, each channel from 0 to 1.
function barColor(v) {
  const t = Math.abs(v);
  const [first, middle, last] = [ramp(t, 0, 0.25), ramp(t, 0.25, 0.25), ramp(t, 0.5, 0.5)];
  return v < 0 ? [last, middle, first] : [first, middle, last];
}

// Draws relevance over an image: both arrays of side x side values.
function paint(canvas, image, map, shown) {
  const side = report.gallery.side;
  canvas.width = side;
  canvas.height = side;
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(side, side);
  const brightest = image.reduce((most, value) => Math.max(most, value), 0) || 1;
  for (let k = 0; k < side * side; k += 1) {
    const v = shown > 0 ? Math.max(-1, Math.min(1, map[k] / shown)) : 0;
    const grey = image[k] / brightest;
    const alpha = v === 0 ? 0 : Math.abs(v) ** OPACITY;
    const color = barColor(v);
    for (let channel = 0; channel < 3; channel += 1) {
      pixels.data[4 * k + channel] = 255 * ((1 - alpha) * grey + alpha * Math.min(1, INTENSITY * color[channel]));
    }
    pixels.data[4 * k + 3] = 255;
  }
  context.putImageData(pixels, 0, 0);
}

// Bytes of a packed text.
async function unpack(text) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const unpacked = new Map();
function once(key, begin) {
  if (!unpacked.has(key)) unpacked.set(key, begin());
  return unpacked.get(key);
}

// The image of a pumpkin: intensities from 0 to 1.
async function imageOf(pumpkin) {
  const area = report.gallery.side ** 2;
  const bytes = await once("images", () => unpack(report.gallery.images));
  return Float32Array.from(bytes.subarray(pumpkin * area, (pumpkin + 1) * area), (byte) => byte / 255);
}

// The map at a position of a run, in its unit.
async function mapOf(run, position) {
  const area = report.gallery.side ** 2;
  const bytes = await once(run.id, () => unpack(run.maps));
  const [upper, lower] = [bytes.subarray(position * area), bytes.subarray((run.entries.length + position) * area)];
  const { scale } = run.entries[position];
  return Float32Array.from({ length: area }, (_, k) => ((upper[k] * 256 + lower[k] - 32768) / 32767) * scale);
}
