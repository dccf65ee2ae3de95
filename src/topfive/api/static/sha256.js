/**
 * SHA-256 of bytes (FIPS 180-4), for pages over plain HTTP, to which browsers give no
 * crypto.subtle. Nothing here touches the page.
 */

// The first 32 bits of the fractional parts of the cube roots of the first 64 primes (4.2.2).
const K = new Uint32Array([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
]);
// The same of the square roots of the first eight primes (5.3.3).
const START = [
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
];
const BLOCK = 64;

/** The SHA-256 of a Uint8Array in hex. */
export function sha256(bytes) {
  const state = new Uint32Array(START);
  const words = new Uint32Array(64);
  const whole = bytes.length - (bytes.length % BLOCK);
  mix(state, words, bytes.subarray(0, whole));
  mix(state, words, padded(bytes.subarray(whole), bytes.length));
  return [...state].map((one) => one.toString(16).padStart(8, '0')).join('');
}

/** The last bytes, a one bit, zeros, and the message's length in bits (5.1.1). */
function padded(rest, length) {
  const blocks = new Uint8Array(rest.length + 9 > BLOCK ? 2 * BLOCK : BLOCK);
  blocks.set(rest);
  blocks[rest.length] = 0x80;
  const view = new DataView(blocks.buffer);
  view.setUint32(blocks.length - 8, Math.floor(length / 2 ** 29));
  view.setUint32(blocks.length - 4, length << 3);
  return blocks;
}

/** Take whole blocks into the state (6.2.2). */
function mix(state, words, bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < bytes.length; at += BLOCK) {
    for (let t = 0; t < 16; t += 1) words[t] = view.getUint32(at + 4 * t);
    for (let t = 16; t < 64; t += 1) words[t] = scheduled(words, t);
    rounds(state, words);
  }
}

function scheduled(words, t) {
  const [x, y] = [words[t - 15], words[t - 2]];
  const low = turned(x, 7) ^ turned(x, 18) ^ (x >>> 3);
  const high = turned(y, 17) ^ turned(y, 19) ^ (y >>> 10);
  return words[t - 16] + low + words[t - 7] + high;
}

function rounds(state, words) {
  let [a, b, c, d, e, f, g, h] = state;
  for (let t = 0; t < 64; t += 1) {
    const bits = turned(e, 6) ^ turned(e, 11) ^ turned(e, 25);
    const first = (h + bits + ((e & f) ^ (~e & g)) + K[t] + words[t]) | 0;
    const other = turned(a, 2) ^ turned(a, 13) ^ turned(a, 22);
    const second = (other + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + first) | 0, c, b, a, (first + second) | 0];
  }
  for (const [at, one] of [a, b, c, d, e, f, g, h].entries()) state[at] += one;
}

const turned = (word, by) => (word >>> by) | (word << (32 - by));
