// Relevance as colours, the same as in the files of heatmaps.
const OPACITY = 0.2;
const INTENSITY = 5;
const ramp = (t, start, width) => Math.min(Math.max(t - start, 0), width) / width;

// Greys of the image under the map from orange to blue, and its colours of -1 and 1.
const GREYS = [0.36, 0.62];
const BLUE = [0.02, 0.1, 0.42];
const ORANGE = [1, 0.74, 0.25];

// From a grey towards orange or blue.
function towardEnd(grey, v) {
  const alpha = Math.sqrt(Math.abs(v));
  return (v < 0 ? BLUE : ORANGE).map((channel) => (1 - alpha) * grey + alpha * channel);
}

// The colour bar's colour of v from -1 to 1, each channel from 0 to 1.
function barColor(v, colormap) {
  if (colormap === "orange_blue") return towardEnd((GREYS[0] + GREYS[1]) / 2, v);
  const t = Math.abs(v);
  const [first, middle, last] = [ramp(t, 0, 0.25), ramp(t, 0.25, 0.25), ramp(t, 0.5, 0.5)];
  return v < 0 ? [last, middle, first] : [first, middle, last];
}

// Draws relevance over an image: both arrays of height x width values.
function paint(canvas, { height, width }, image, map, shown, colormap) {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(width, height);
  const brightest = image.reduce((most, value) => Math.max(most, value), 0) || 1;
  const [low, high] = [image.reduce((least, value) => Math.min(least, value), Infinity), brightest];
  for (let k = 0; k < height * width; k += 1) {
    if (colormap === "orange_blue") {
      const v = shown > 0 ? Math.max(-1, Math.min(1, map[k] / shown)) : 0;
      const share = high > low ? (image[k] - low) / (high - low) : 0;
      towardEnd(GREYS[0] + (GREYS[1] - GREYS[0]) * share, v).forEach((channel, at) => { pixels.data[4 * k + at] = 255 * channel; });
      pixels.data[4 * k + 3] = 255;
      continue;
    }
    const v = shown > 0 ? Math.max(-1, Math.min(1, map[k] / shown)) : 0;
    const grey = image[k] / brightest;
    const alpha = v === 0 ? 0 : Math.abs(v) ** OPACITY;
    const color = barColor(v, colormap);
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

// The image of a shown sample: intensities from 0 to 1.
async function imageOf(index) {
  const { start, height, width } = report.gallery.samples[index];
  const bytes = await once("images", () => unpack(report.gallery.images));
  return Float32Array.from(bytes.subarray(start, start + height * width), (byte) => byte / 255);
}

// The map of an entry of a run, in its unit: all upper bytes come first, then all lower ones.
async function mapOf(run, { start, scale, image }) {
  const { height, width } = report.gallery.samples[image];
  const area = height * width;
  const bytes = await once(run.id, () => unpack(run.maps));
  const [upper, lower] = [bytes.subarray(start), bytes.subarray(bytes.length / 2 + start)];
  return Float32Array.from({ length: area }, (_, k) => ((upper[k] * 256 + lower[k] - 32768) / 32767) * scale);
}
