import "reflect-metadata";
import { mergeContext, setContext } from "@bemi-db/mikro-orm";
import {
  Body,
  type CallHandler,
  type CanActivate,
  Controller,
  type ExecutionContext,
  Injectable,
  Module,
  type NestInterceptor,
  Post,
  UseGuards,
  UseInterceptors,
} from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import type { Request } from "express";
import { addNote, login, type NewNote } from "./notes";
import { serving } from "./serving";

@Injectable()
class LoginGuard implements CanActivate {
  async canActivate(execution: ExecutionContext): Promise<boolean> {
    const request = execution.switchToHttp().getRequest<Request>();
    const user = await login(request.headers);
    mergeContext({ userId: user?.id });
    return true;
  }
}

@Injectable()
class HandlerInterceptor implements NestInterceptor {
  intercept(execution: ExecutionContext, next: CallHandler) {
    mergeContext({ handler: execution.getHandler().name });
    return next.handle();
  }
}

@Controller("notes")
@UseGuards(LoginGuard)
@UseInterceptors(HandlerInterceptor)
class NotesController {
  @Post()
  add(@Body() note: NewNote) {
    return addNote(note);
  }
}

@Module({ controllers: [NotesController] })
class NotesModule {}

const app = await NestFactory.create(NotesModule, { logger: ["error"] });
app.use(setContext((request: Request) => ({ endpoint: request.url })));

await serving(await app.listen(0, "127.0.0.1"));
