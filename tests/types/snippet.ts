// A snippet as it is sent: a function's body, here with the function around it, and names that many programs use for
// types of their own.

interface User {
  name: string;
}

interface Order {
  user: User;
  lines: number[];
}

type Page = Order[];

async () => {
  const orders: Page = input.orders;
  const body = await request.json();
  console.log(ctx.authenticated, body);
  return orders.map((order) => order.lines.length + order.user.name.length);
};
