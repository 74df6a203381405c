interface Business {
  readonly send: Business.Send;
}

declare namespace Business {
  /** A mail in one object: text of yours, or a template with its data. */
  type Mail =
    | ({ to: Email.Recipients; subject: string; body?: string; template?: undefined } & Email.SendOptions)
    | { to: Email.Recipients; template: string; data?: Record<string, any>; subject?: undefined; body?: undefined };
  interface Send {
    email(mail: Mail): Promise<Email.Accepted>;
  }
}
