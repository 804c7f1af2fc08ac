/**
 * The path of the module that an operation belongs to, from the name that PyTorch's older exporter gives it:
 * `layer4.2.conv3` of `/layer4/layer4.2/conv3/Conv`. A part that begins with the one before, as `layer4.2` does, goes on from it. Names of
 * converters from TensorFlow, such as `model/conv1/Conv2D`, say the layer in the part before the last.
 */
export function modulePath(name: string): string | undefined {
  const parts = name.replace(/:\d+$/, '').split('/').slice(0, -1);
  if (parts.length === 0) return undefined;
  if (parts[0] !== '') return parts.at(-1) || undefined;
  const path: string[] = [];
  let before = '';
  for (const part of parts.slice(1)) {
    path.push(before !== '' && part.startsWith(`${before}.`) ? part.slice(before.length + 1) : part);
    before = part;
  }
  return path.join('.') || undefined;
}

/** The module of a tensor of weights: `layer4.2.conv3` of `layer4.2.conv3.weight`. */
export function moduleOfWeight(tensor: string): string | undefined {
  return /^(.+)[./](?:weight|kernel|gamma|depthwise_kernel|depthwise_weights|weights)(?::0)?$/i.exec(tensor)?.[1];
}

/**
 * Leaves a module's path only to the last node at or below it: that one's output is the module's. `modules` are the aliases that are paths.
 */
export function lastOfModules<Of extends { readonly aliases: readonly string[] }>(
  nodes: readonly Of[],
  modules: ReadonlySet<string>,
): Of[] {
  const last = new Map<string, number>();
  for (const [id, { aliases }] of nodes.entries())
    for (const alias of aliases) {
      if (!modules.has(alias)) continue;
      for (let path = alias; path !== ''; path = path.slice(0, Math.max(0, path.lastIndexOf('.')))) last.set(path, id);
    }
  return nodes.map((node, id) => ({
    ...node,
    aliases: node.aliases.filter((alias) => !modules.has(alias) || last.get(alias) === id),
  }));
}
