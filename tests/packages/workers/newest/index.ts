// Syntax that is newer than most engines.
function named(method: (...given: number[]) => number, context: ClassMethodDecoratorContext) {
  return function (this: unknown, ...given: number[]) {
    return `${String(context.name)}(${method.apply(this, given)})`;
  } as never;
}
class Newest {
  accessor value = 3;
  @named double(n: number) {
    return n * 2;
  }
}
async function disposed() {
  const seen: string[] = [];
  {
    using held = {
      [Symbol.dispose]() {
        seen.push('disposed');
      },
    };
    seen.push(held && 'used');
  }
  {
    await using held = {
      async [Symbol.asyncDispose]() {
        seen.push('in time');
      },
    };
    void held;
  }
  return seen;
}

export default {
  async fetch() {
    const newest = new Newest();
    return Response.json({
      decorated: newest.double(2),
      accessor: newest.value,
      disposed: await disposed(),
      late: (await import('./late')).default,
    });
  },
};
