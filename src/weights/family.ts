/** Convolutions per block of VGG11, 13, 16 and 19 by their number. */
export const knownBlocks: Record<number, readonly number[]> = {
  8: [1, 1, 2, 2, 2],
  10: [2, 2, 2, 2, 2],
  13: [2, 2, 3, 3, 3],
  16: [2, 2, 4, 4, 4],
};

/** `VGG16` of a network with 13 convolutions and 3 dense layers; `VGG` of others of the family. */
export function vggName({ blocks }: { readonly blocks: readonly (readonly unknown[])[] }): string {
  const convolutions = blocks.flat().length;
  const isKnown = knownBlocks[convolutions]?.every((count, block) => blocks[block]?.length === count);
  return isKnown ? `VGG${convolutions + 3}` : 'VGG';
}

/** The line that makes a file of a whole network, which says what a dictionary of tensors does not. */
export const EXPORT_LINE = "torch.onnx.export(model.eval(), torch.zeros(1, 3, 224, 224), 'model.onnx')";
