// A short training of a small network, for Node and for a page: takes the library as a module, because they load it differently.

/** Half of the images are brighter on their left side. */
function drawImages(count) {
  const data = new Float32Array(count * 64);
  let state = 1;
  for (let i = 0; i < data.length; i++) {
    state = (state * 48271) % 2147483647;
    const isBright = Math.floor(i / 64) % 2 === 1 && i % 8 < 4;
    data[i] = state / 2147483647 + (isBright ? 0.5 : 0);
  }
  return { x: { shape: [count, 8, 8, 1], data }, y: Array.from({ length: count }, (_, i) => i % 2) };
}

/**
 * Trains on a device and disposes it.
 * @returns the adapter's family, the mean loss of each epoch, and the bits of all weights before and after
 */
export async function train({ Adam, Conv2D, Dense, Flatten, MaxPooling2D, Sequential }, device) {
  const model = new Sequential([
    new Conv2D({ filters: 4, kernelSize: 3, activation: 'relu', inputShape: [8, 8, 1] }),
    new MaxPooling2D(),
    new Flatten(),
    new Dense({ units: 2, activation: 'softmax' }),
  ]).build(device, { seed: 1 });
  const bits = async () => {
    const weights = await model.getWeights();
    return weights.map(({ data }) => [...new Uint32Array(data.buffer, data.byteOffset, data.length)]);
  };
  const before = await bits();
  model.compile({ optimizer: new Adam({ learningRate: 0.01 }), loss: 'sparseCategoricalCrossentropy' });
  const { epochs } = await model.fit(drawImages(256), { epochs: 3, batchSize: 32 });
  const result = {
    adapter: `${device.info.vendor} ${device.info.architecture}`,
    losses: epochs.map(({ loss }) => loss),
    before,
    after: await bits(),
  };
  device.dispose();
  return result;
}
