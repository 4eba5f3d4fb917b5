// Seeds, and the path between them, as NumPy and pretrained/latents.py have them. In float32, which is what networks take,
// normal noise is the same to the bit; in float64 its last bits hang on the logarithm of the browser.

// The doubles in [0, 1) of np.random.RandomState(seed).random_sample(): MT19937 (Matsumoto & Nishimura 1998), seeded by
// init_genrand, two words for 53 bits.
function* doubles(seed) {
  const state = new Uint32Array(624);
  state[0] = seed;
  for (let i = 1; i < 624; i++) state[i] = Math.imul(1812433253, state[i - 1] ^ (state[i - 1] >>> 30)) + i;
  const words = (function* () {
    for (;;) {
      for (let i = 0; i < 624; i++) {
        const joined = (state[i] & 0x80000000) | (state[(i + 1) % 624] & 0x7fffffff);
        state[i] = state[(i + 397) % 624] ^ (joined >>> 1) ^ (joined & 1 ? 0x9908b0df : 0);
      }
      for (let word of state) {
        word ^= word >>> 11;
        word ^= (word << 7) & 0x9d2c5680;
        word ^= (word << 15) & 0xefc60000;
        yield (word ^ (word >>> 18)) >>> 0;
      }
    }
  })();
  for (;;) yield ((words.next().value >>> 5) * 2 ** 26 + (words.next().value >>> 6)) / 2 ** 53;
}

// The noises of pretrained/latents.py: randn, by Marsaglia's polar method, whose second number comes first; uniform.
const NOISES = {
  *normal(random) {
    for (;;) {
      const [x, y] = [2 * random() - 1, 2 * random() - 1];
      const square = x * x + y * y;
      if (square >= 1 || square === 0) continue;
      const factor = Math.sqrt((-2 * Math.log(square)) / square);
      yield factor * y;
      yield factor * x;
    }
  },
  *uniform(random) {
    for (;;) yield -1 + 2 * random();
  },
};

// The latent of a seed (0 to 2**32 - 1): Float64Array(length).
export function latent(seed, length, noise = "normal") {
  const source = doubles(seed);
  const numbers = NOISES[noise](() => source.next().value);
  return Float64Array.from({ length }, () => numbers.next().value);
}

const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
const norm = (a) => Math.sqrt(dot(a, a));
const add = (a, x, b, y) => a.map((value, i) => x * value + y * b[i]);
const angle = (a, b) => Math.acos(Math.min(1, Math.max(-1, dot(a, b))));

// The point at share t of the great circle between unit vectors (Shoemake 1985).
function slerp(a, b, t) {
  const whole = angle(a, b);
  return whole < 1e-6 ? a : add(a, Math.sin((1 - t) * whole) / Math.sin(whole), b, Math.sin(t * whole) / Math.sin(whole));
}

// The direction from a to b along the sphere, as long as their angle.
function tangent(a, b) {
  const across = add(b, 1, a, -dot(a, b));
  const length = norm(across);
  return across.map((value) => (length > 1e-9 ? (value * angle(a, b)) / length : 0));
}

// The inner control point that makes two arcs meet without a corner (Shoemake 1987).
function control(before, at, after) {
  const direction = add(tangent(at, before), -0.25, tangent(at, after), -0.25);
  const length = norm(direction);
  return length < 1e-9 ? at : add(at, Math.cos(length), direction, Math.sin(length) / length);
}

// The latent at share t of the way from key i to the next, on the closed walk through keys; i is any whole number.
export function between(keys, i, t) {
  const at = (place) => keys[(i + place + keys.length) % keys.length];
  if (t === 0 || keys.length === 1) return at(0);
  const [before, from, to, after] = [-1, 0, 1, 2].map((place) => at(place).map((value) => value / norm(at(place))));
  const inner = slerp(control(before, from, to), control(from, to, after), t);
  const length = norm(at(0)) + t * t * (3 - 2 * t) * (norm(at(1)) - norm(at(0)));
  return slerp(slerp(from, to, t), inner, 2 * t * (1 - t)).map((value) => value * length);
}
