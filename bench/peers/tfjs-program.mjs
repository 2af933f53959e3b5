// TensorFlow.js: a layers model with `trainOnBatch`, which reads each step's loss, and `predictOnBatch`.

/**
 * Returns the function that prepares a workload, for engine.mjs or engine-in-page.ts.
 * @param tf the module @tensorflow/tfjs-core, with a backend
 * @param layers the module @tensorflow/tfjs-layers
 */
export function tfjsProgram(tf, layers) {
  /** x scale + offset. */
  class Rescale extends layers.layers.Layer {
    static className = 'Rescale';
    constructor({ scale, offset }) {
      super({});
      Object.assign(this, { scale, offset });
    }
    computeOutputShape(shape) {
      return shape;
    }
    call(inputs) {
      return tf.tidy(() => tf.add(tf.mul(Array.isArray(inputs) ? inputs[0] : inputs, this.scale), this.offset));
    }
  }

  class Resize extends layers.layers.Layer {
    static className = 'Resize';
    constructor({ side }) {
      super({});
      this.side = side;
    }
    computeOutputShape([n, , , channels]) {
      return [n, this.side, this.side, channels];
    }
    call(inputs) {
      const x = Array.isArray(inputs) ? inputs[0] : inputs;
      return tf.image.resizeBilinear(x, [this.side, this.side], false, true);
    }
  }

  /** Applies the layers to a symbolic input. */
  function applyLayers(list, input, { l2, dropout }) {
    const common = () => ({ kernelRegularizer: l2 ? layers.regularizers.l2({ l2 }) : undefined });
    const make = (layer) => {
      if (layer.kind === 'conv') {
        const { filters, size: kernelSize, padding, strides, plain } = layer;
        const activation = plain ? 'linear' : 'relu';
        return layers.layers.conv2d({
          filters,
          kernelSize,
          padding,
          strides,
          activation,
          useBias: !plain,
          ...common(),
        });
      }
      if (layer.kind === 'depthwise') {
        return layers.layers.depthwiseConv2d({
          kernelSize: 3,
          strides: layer.strides,
          padding: 'same',
          useBias: false,
        });
      }
      if (layer.kind === 'pool') return layers.layers.maxPooling2d({ poolSize: 2 });
      if (layer.kind === 'globalPool') return layers.layers.globalAveragePooling2d({});
      if (layer.kind === 'flatten') return layers.layers.flatten();
      if (layer.kind === 'dense') {
        return layers.layers.dense({ units: layer.units, activation: layer.relu ? 'relu' : 'linear', ...common() });
      }
      if (layer.kind === 'batchNorm') return layers.layers.batchNormalization();
      if (layer.kind === 'leakyRelu') return layers.layers.leakyReLU({ alpha: 0.3 });
      if (layer.kind === 'relu6') return layers.layers.reLU({ maxValue: 6 });
      if (layer.kind === 'rescale') return new Rescale({ scale: layer.scale, offset: layer.offset });
      if (layer.kind === 'resize') return new Resize({ side: layer.side });
      return layer.kind === 'dropout' && dropout > 0 ? layers.layers.dropout({ rate: layer.rate ?? dropout }) : null;
    };
    return list.reduce((x, layer) => {
      if (layer.kind === 'residual')
        return layers.layers.add().apply([x, applyLayers(layer.layers, x, { l2, dropout })]);
      return make(layer)?.apply(x) ?? x;
    }, input);
  }

  /** Creates a model with the next kernels of the iterator `kernels`. */
  function createModel(list, inputShape, kernels, options) {
    const input = layers.input({ shape: inputShape });
    const model = layers.model({ inputs: input, outputs: applyLayers(list, input, options) });
    for (const layer of model.layers) {
      if (!/^(conv2d|dense|depthwise)/.test(layer.name)) continue;
      const [kernel, bias] = layer.getWeights();
      layer.setWeights([tf.tensor(kernels.next().value, kernel.shape), ...(bias ? [tf.zeros(bias.shape)] : [])]);
    }
    return model;
  }

  /**
   * Creates the trained model and, if there are frozen layers, a separate model of them that predicts: in a trained model, a frozen
   * batch normalization would use the statistics of the batch.
   */
  function build(workload, kernels, dropout, sgd = null) {
    const { layers: list, sample, l2 } = workload;
    const remaining = kernels.values();
    const first = list.findIndex(({ kind }) => kind === 'trainFrom');
    const fixed = first < 0 ? null : createModel(list.slice(0, first), sample, remaining, { l2, dropout });
    const model = createModel(list.slice(first + 1), fixed?.outputShape.slice(1) ?? sample, remaining, { l2, dropout });
    model.compile({
      optimizer: sgd === null ? tf.train.adam(0.001, 0.9, 0.999, 1e-7) : tf.train.sgd(sgd),
      loss: (labels, logits) => tf.losses.softmaxCrossEntropy(labels, logits),
    });
    return {
      predictOnBatch: (x) => model.predictOnBatch(fixed ? fixed.predictOnBatch(x) : x),
      async trainOnBatch(x, y) {
        const features = fixed ? fixed.predictOnBatch(x) : x;
        const loss = await model.trainOnBatch(features, y);
        if (fixed) features.dispose();
        return loss;
      },
      dispose() {
        fixed?.dispose();
        model.dispose();
      },
    };
  }

  const toFloats = (images) => Float32Array.from(images, (byte) => byte / 255);

  async function gemm(size, matrices) {
    const [a, b] = matrices.map((values) => tf.tensor2d(values, [size, size]));
    const c = tf.matMul(a, b);
    const check = Array.from((await c.data()).slice(0, 64));
    c.dispose();
    return {
      check,
      async run(runs) {
        for (let i = 0; i < runs; i++) {
          const product = tf.matMul(a, b);
          if (i === runs - 1) await tf.tidy(() => tf.slice(product, [0, 0], [1, 1])).data();
          product.dispose();
        }
      },
    };
  }

  return async (workload, { images, labels, kernels }) => {
    const { what, batch, size, sample, dropout } = workload;
    tf.disposeVariables();
    if (what === 'gemm') return gemm(size, kernels);
    const stride = sample.reduce((product, n) => product * n, 1);
    if (what === 'predict') {
      const model = build(workload, kernels, 0);
      const batches = Array.from({ length: size / batch }, (_, i) =>
        tf.tensor(toFloats(images.subarray(i * batch * stride, (i + 1) * batch * stride)), [batch, ...sample]),
      );
      const predict = async (x) => {
        const y = tf.tidy(() => tf.softmax(model.predictOnBatch(x)));
        const values = await y.data();
        y.dispose();
        return values;
      };
      const check = Array.from((await predict(batches[0])).slice(0, 160));
      return {
        check,
        async run(runs) {
          for (let i = 0; i < runs; i++) for (const x of batches) await predict(x);
        },
      };
    }
    const x = tf.tensor(toFloats(images), [batch, ...sample]);
    const y = tf.oneHot(tf.tensor1d(labels, 'int32'), 10);
    const checked = build(workload, kernels, 0, workload.sgdChecked);
    const check = [];
    for (let i = 0; i < workload.stepsChecked; i++) check.push(await checked.trainOnBatch(x, y));
    checked.dispose();
    const timed = build(workload, kernels, dropout);
    return {
      check,
      async run(runs) {
        for (let i = 0; i < runs; i++) await timed.trainOnBatch(x, y);
      },
    };
  };
}
