// UUIDs of every version.
import { MAX, NIL, parse, stringify, v1, v1ToV6, v3, v4, v5, v6, v7, validate, version } from 'uuid';

const NAMESPACE = '1b671a64-40d5-491e-99b0-da01ff1f3341';

export default {
  fetch(request: Request) {
    if (new URL(request.url).pathname === '/fixed') {
      const bytes = new Uint8Array(16).map((_, at) => at * 16);
      return Response.json([
        v3('hello.example.com', v3.DNS),
        v5('hello.example.com', v5.DNS),
        v5('été', NAMESPACE),
        v4({ random: bytes }),
        v7({ msecs: 1760000000000, seq: 7, random: bytes }),
        v1ToV6('92f62d9e-22c4-11ef-97e9-325096b39f47'),
        stringify(parse(NAMESPACE)),
        [...parse(NAMESPACE)],
        validate('no'),
        validate(NIL),
        version(MAX),
      ]);
    }
    const made = { v1: v1(), v4: v4(), v6: v6(), v7: v7() };
    const many = Array.from({ length: 500 }, () => v7());
    return Response.json({
      made,
      valid: Object.values(made).every(validate),
      versions: Object.values(made).map(version),
      different: new Set(many).size,
      sorted: many.join() === [...many].sort().join(),
      time: parseInt(many[0].replace('-', '').slice(0, 12), 16),
    });
  },
};
