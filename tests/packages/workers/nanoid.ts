// Ids that nobody can guess.
import { customAlphabet, nanoid, urlAlphabet } from 'nanoid';
import { nanoid as insecure } from 'nanoid/non-secure';

export default {
  fetch() {
    const many = Array.from({ length: 1000 }, () => nanoid());
    const letters = customAlphabet('abc', 40);
    return Response.json({
      one: nanoid(),
      short: nanoid(8),
      letters: letters(),
      few: letters(3),
      insecure: insecure(),
      different: new Set(many).size,
      alphabet: urlAlphabet.length,
      used: new Set(many.join('')).size,
    });
  },
};
